#include "folder_watch.hpp"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "culvert/base/log.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::control {

void Debounce::event(io::Deadline now) {
  if (first_ == io::kNoDeadline) first_ = now;
  last_ = now;
}

io::Deadline Debounce::due() const {
  if (first_ == io::kNoDeadline) return io::kNoDeadline;
  return std::min(last_ + kQuiet, first_ + kMaxDelay);
}

Result<void> FolderWatch::start() {
  fd_ = UniqueFd(::inotify_init1(IN_CLOEXEC));
  if (!fd_.valid()) return fail_errno(errno, "create an inotify descriptor");
  if (!watch()) return fail_errno(errno, "watch the folder");
  return {};
}

bool FolderWatch::watch() {
  constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                    IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;
  watching_ = ::inotify_add_watch(fd_.get(), folder_.c_str(), kEvents | IN_ONLYDIR) >= 0;
  return watching_;
}

// Notes whether the folder itself went away. True: some event was about its files, or it did.
bool FolderWatch::take_events(std::size_t bytes) {
  bool any = false;
  for (std::size_t at = 0; at + sizeof(inotify_event) <= bytes;) {
    inotify_event event{};
    std::memcpy(&event, buffer_.data() + at, sizeof event);
    at += sizeof event + event.len;
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) watching_ = false;
    any = true;
  }
  return any;
}

io::Task<> FolderWatch::run() {
  Debounce debounce;
  while (true) {
    if (!watching_ && watch()) debounce.event(io::Clock::now());
    const io::Deadline retry = watching_ ? io::kNoDeadline : io::in(kRewatch);
    const auto n = co_await io::read(fd_.get(), buffer_, std::min(debounce.due(), retry));
    if (n && take_events(*n)) debounce.event(io::Clock::now());
    if (!n && n.error().code == ErrorCode::kCancelled) co_return;
    if (!n && n.error().code != ErrorCode::kTimeout) {
      log::error("config folder: {}", n.error().to_string());
      co_return;
    }
    if (debounce.due() > io::Clock::now()) continue;
    debounce.acted();
    changed_();
  }
}

}  // namespace culvert::control
