#include "places.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "culvert/base/unix_socket.hpp"

namespace culvert::agent {
namespace {

Result<Place> open_place(const std::string& path, int type, int backlog, Place found) {
  if (found.listener.valid() && found.path == path) return found;
  auto listener = listen_unix(path, type, backlog);
  if (!listener) return std::unexpected(listener.error());
  return Place{path, std::move(*listener)};
}

}  // namespace

Result<Places> open_places(const std::string& admin_path, const std::string& zds_path,
                           Places found) {
  auto admin = open_place(admin_path, SOCK_STREAM, kAdminBacklog, std::move(found.admin));
  if (!admin) return std::unexpected(admin.error());
  auto zds = open_place(zds_path, SOCK_SEQPACKET, kZdsBacklog, std::move(found.zds));
  if (!zds) return std::unexpected(zds.error());
  return Places{std::move(*admin), std::move(*zds)};
}

Result<UniqueFd> copy_of(const UniqueFd& fd) {
  UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return fail_errno(errno, "copy a descriptor");
  return copy;
}

}  // namespace culvert::agent
