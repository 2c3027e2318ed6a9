// bpf(2) commands on pinned objects and map elements.
#include "culvert/bpf/syscall.hpp"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

namespace culvert::bpf {
namespace {

std::uint64_t address_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

bpf_attr element(int map_fd, const void* key, const void* value) {
  bpf_attr attr{};
  attr.map_fd = static_cast<__u32>(map_fd);
  attr.key = address_of(key);
  attr.value = address_of(value);
  return attr;
}

// "There is none" is an answer for these, not a failure.
Result<bool> found(int rc, const char* text) {
  if (rc >= 0) return true;
  if (rc == -ENOENT) return false;
  return fail_errno(-rc, text);
}

}  // namespace

int call(int command, bpf_attr& attr, unsigned size) {
  const long rc = syscall(SYS_bpf, command, &attr, size == 0 ? sizeof attr : size);
  return rc < 0 ? -errno : static_cast<int>(rc);
}

Result<UniqueFd> open_pinned(const std::string& path) {
  bpf_attr attr{};
  attr.pathname = address_of(path.c_str());
  const int fd = call(BPF_OBJ_GET, attr);
  if (fd < 0) return fail_errno(-fd, "open a pinned BPF object");
  return UniqueFd(fd);
}

Result<void> map_update(int map_fd, const void* key, const void* value, std::uint64_t flags) {
  bpf_attr attr = element(map_fd, key, value);
  attr.flags = flags;
  const int rc = call(BPF_MAP_UPDATE_ELEM, attr);
  if (rc < 0) return fail_errno(-rc, "update a BPF map");
  return {};
}

Result<bool> map_lookup(int map_fd, const void* key, void* value) {
  bpf_attr attr = element(map_fd, key, value);
  return found(call(BPF_MAP_LOOKUP_ELEM, attr), "read a BPF map");
}

Result<bool> map_delete(int map_fd, const void* key) {
  bpf_attr attr = element(map_fd, key, nullptr);
  return found(call(BPF_MAP_DELETE_ELEM, attr), "delete from a BPF map");
}

Result<bool> map_next_key(int map_fd, const void* key, void* next_key) {
  bpf_attr attr = element(map_fd, key, next_key);
  return found(call(BPF_MAP_GET_NEXT_KEY, attr), "walk a BPF map");
}

}  // namespace culvert::bpf
