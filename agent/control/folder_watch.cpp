#include "folder_watch.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/config/folder.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::control {
namespace {

bool is_symlink(const std::string& path) {
  struct stat state{};
  return ::lstat(path.c_str(), &state) == 0 && S_ISLNK(state.st_mode);
}

/// A name that comes into being with all of its content.
bool is_link(const std::string& path) {
  struct stat state{};
  if (::lstat(path.c_str(), &state) != 0) return false;
  return S_ISLNK(state.st_mode) || state.st_nlink > 1;
}

}  // namespace

void Debounce::event(io::Deadline now) {
  if (first_ == io::kNoDeadline) {
    first_ = now;
    follows_ = acted_ != io::kNoDeadline && now < acted_ + kQuiet;
  }
  last_ = now;
}

void Debounce::written(const std::string& name, io::Deadline now) {
  event(now);
  half_.erase(name);
  gone_.erase(name);
  changed_.names.insert(name);
}

void Debounce::gone(const std::string& name, io::Deadline now) {
  event(now);
  half_.erase(name);
  gone_.insert(name);
  changed_.names.insert(name);
}

void Debounce::everything(io::Deadline now) {
  event(now);
  changed_.all = true;
}

void Debounce::lost(io::Deadline now) {
  everything(now);
  half_.clear();
}

void Debounce::failed(io::Deadline now) {
  changed_.all = true;
  again_ = now + kReadAgain;
}

io::Deadline Debounce::due_of_events() const {
  if (first_ == io::kNoDeadline) return again_;
  const bool alone =
      changed_.names.size() == 1 && !changed_.all && gone_.empty() && half_.empty() && !follows_;
  return std::min({again_, last_ + (alone ? kSettle : kQuiet), first_ + kMaxDelay});
}

io::Deadline Debounce::due() const {
  auto out = due_of_events();
  for (const auto& [name, since] : half_) out = std::min(out, since + kHalfWritten);
  return out;
}

std::set<std::string> Debounce::half_written(io::Deadline now) const {
  std::set<std::string> out;
  for (const auto& [name, since] : half_) {
    if (now < since + kHalfWritten) out.insert(name);
  }
  return out;
}

FolderChange Debounce::take(io::Deadline now) {
  FolderChange given_up;
  std::erase_if(half_, [&](const auto& entry) {
    const bool late = now >= entry.second + kHalfWritten;
    if (late) given_up.names.insert(entry.first);
    return late;
  });
  acted_ = now;
  if (!given_up.names.empty() && now < due_of_events()) {
    for (const auto& name : given_up.names) {
      changed_.names.erase(name);
      gone_.erase(name);
    }
    return given_up;
  }
  changed_.names.merge(given_up.names);
  // Moved away, and now written anew.
  for (const auto& [name, since] : half_) changed_.names.erase(name);
  gone_.clear();
  first_ = last_ = again_ = io::kNoDeadline;
  return std::exchange(changed_, {});
}

Result<void> FolderWatch::start() {
  fd_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd_.valid()) return fail_errno(errno, "create an inotify descriptor");
  if (!watch()) return fail_errno(errno, "watch the folder");
  return {};
}

bool FolderWatch::watch() {
  constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                    IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF |
                                    IN_MOVE_SELF;
  watching_ = ::inotify_add_watch(fd_.get(), folder_.c_str(), kEvents | IN_ONLYDIR) >= 0;
  return watching_;
}

void FolderWatch::take_events(std::size_t bytes) {
  const auto now = io::Clock::now();
  for (std::size_t at = 0; at + sizeof(inotify_event) <= bytes;) {
    inotify_event event{};
    std::memcpy(&event, buffer_.data() + at, sizeof event);
    const auto* text = reinterpret_cast<const char*>(buffer_.data() + at + sizeof event);
    const std::string name(text, ::strnlen(text, event.len));
    at += sizeof event + event.len;
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) watching_ = false;
    if (name.empty()) {
      // The folder itself, or more events than the kernel keeps.
      (event.mask & IN_ATTRIB) != 0 ? debounce_.everything(now) : debounce_.lost(now);
    } else if (!config::is_config_name(name)) {
      // Links may lead through it, as those of a mounted ConfigMap or of git-sync do.
      if ((event.mask & (IN_MOVED_TO | IN_CREATE)) != 0 &&
          (name.starts_with("..") || is_symlink(folder_ + "/" + name)))
        debounce_.everything(now);
    } else if ((event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) {
      debounce_.written(name, now);
    } else if ((event.mask & IN_ATTRIB) != 0) {
      debounce_.attributes(name, now);
    } else if ((event.mask & (IN_MOVED_FROM | IN_DELETE)) != 0) {
      debounce_.gone(name, now);
    } else if ((event.mask & IN_CREATE) != 0 && is_link(folder_ + "/" + name)) {
      debounce_.written(name, now);
    } else if ((event.mask & (IN_CREATE | IN_MODIFY)) != 0) {
      debounce_.writing(name, now);
    }
  }
}

// No more than waits now: somebody may write all the time.
void FolderWatch::take_waiting() {
  int waiting = 0;
  if (::ioctl(fd_.get(), FIONREAD, &waiting) != 0 || waiting == 0) return;
  while (waiting > 0) {
    const auto n = ::read(fd_.get(), buffer_.data(), buffer_.size());
    if (n <= 0) break;
    take_events(static_cast<std::size_t>(n));
    waiting -= static_cast<int>(n);
  }
  told_.notify();
}

// Not a read of the loop's, whose events would be nobody's between its end and the fiber's turn.
io::Task<> FolderWatch::listen() {
  while (true) {
    if (const auto ready = co_await io::poll(fd_.get(), POLLIN, io::kNoDeadline); !ready) {
      if (ready.error().code != ErrorCode::kCancelled)
        log::error("config folder: {}", ready.error().to_string());
      co_return;
    }
    take_waiting();
  }
}

io::Task<> FolderWatch::run() {
  while (true) {
    if (!watching_ && watch()) debounce_.lost(io::Clock::now());
    const io::Deadline retry = watching_ ? io::kNoDeadline : io::in(kRewatch);
    const auto told = co_await told_.wait(std::min(debounce_.due(), retry));
    if (!told && told.error().code == ErrorCode::kCancelled) co_return;
    if (debounce_.due() > io::Clock::now()) continue;
    if (!changed_(debounce_.take(io::Clock::now()))) debounce_.failed(io::Clock::now());
  }
}

}  // namespace culvert::control
