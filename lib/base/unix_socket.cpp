#include "culvert/base/unix_socket.hpp"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

namespace culvert {
namespace {

// io_uring lets go of a killed process's listeners a moment after the process is gone.
constexpr int kTries = 50;
constexpr std::chrono::milliseconds kTryInterval{20};

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalid, "Unix socket path: empty or over 107 bytes");
  }
  std::ranges::copy(path, address.sun_path);
  return address;
}

bool somebody_listens(const std::string& path, int type) {
  const auto answer = connect_unix(path, type | SOCK_NONBLOCK);
  return answer || (answer.error().code != ErrorCode::kRefused &&
                    answer.error().code != ErrorCode::kNotFound);
}

// Whether the name is free to take: absent, or a socket that nobody listens on.
Result<void> check_free(const std::string& path, int type) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "look at the Unix socket's path");
  }
  if (!S_ISSOCK(info.st_mode)) {
    return fail(ErrorCode::kInvalid, "listen on Unix socket: the path is something else");
  }
  for (int tries = 0; somebody_listens(path, type); ++tries) {
    if (tries == kTries)
      return fail(ErrorCode::kInvalid, "listen on Unix socket: another process listens there");
    std::this_thread::sleep_for(kTryInterval);
  }
  return {};
}

// A folder of mode 0700 beside `path`, in which the socket is made before it gets its name.
Result<std::string> private_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  std::string name = slash == std::string::npos ? std::string("./") : path.substr(0, slash + 1);
  name += ".XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return fail_errno(errno, "make the Unix socket's folder");
  return name;
}

Result<UniqueFd> bind_at(const std::string& path, int type) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "create Unix socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return fail_errno(errno, "bind Unix socket");
  }
  if (::chmod(path.c_str(), 0600) != 0) return fail_errno(errno, "set the Unix socket's mode");
  return fd;
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, int type, int backlog) {
  if (auto address = unix_address(path); !address) return std::unexpected(address.error());
  if (auto free = check_free(path, type); !free) return std::unexpected(free.error());
  const auto folder = private_folder(path);
  if (!folder) return std::unexpected(folder.error());
  const std::string first_name = *folder + "/s";
  auto fd = bind_at(first_name, type);
  if (fd && ::listen(fd->get(), backlog) != 0) fd = fail_errno(errno, "listen on Unix socket");
  if (fd && ::rename(first_name.c_str(), path.c_str()) != 0)
    fd = fail_errno(errno, "name Unix socket");
  if (!fd) ::unlink(first_name.c_str());
  ::rmdir(folder->c_str());
  return fd;
}

Result<UniqueFd> connect_unix(const std::string& path, int type) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "create Unix socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return fail_errno(errno, "connect to Unix socket");
  }
  return fd;
}

}  // namespace culvert
