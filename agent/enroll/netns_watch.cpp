#include "netns_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace culvert::agent {

Result<NetnsWatch> NetnsWatch::create() {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd.valid()) return fail_errno(errno, "create an inotify descriptor");
  return NetnsWatch(std::move(fd));
}

void NetnsWatch::watch(const std::set<std::string>& folders) {
  for (const std::string& folder : folders) {
    (void)::inotify_add_watch(fd_.get(), folder.c_str(), IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
  }
}

bool NetnsWatch::drain() {
  std::array<char, 4096> events{};
  bool any = false;
  while (::read(fd_.get(), events.data(), events.size()) > 0) any = true;
  return any;
}

}  // namespace culvert::agent
