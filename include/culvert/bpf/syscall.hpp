// bpf(2) without libbpf: the few commands that ztunnel, the CLI and the agent need on pinned maps.
// Any thread. Errors keep the errno (Error::sys_errno); see bpf(2) for their meaning.
#pragma once

#include <cstdint>
#include <string>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

union bpf_attr;

namespace culvert::bpf {

/// The raw system call: its result, or -errno. `size` defaults to the whole of the header's attr.
int call(int command, bpf_attr& attr, unsigned size = 0);

/// BPF_OBJ_GET: opens a pinned map, program or link. kNotFound when nothing is pinned there.
Result<UniqueFd> open_pinned(const std::string& path);

/// BPF_MAP_UPDATE_ELEM with `flags` (BPF_ANY, BPF_NOEXIST, BPF_EXIST).
Result<void> map_update(int map_fd, const void* key, const void* value, std::uint64_t flags = 0);
/// BPF_MAP_LOOKUP_ELEM: false when there is no such key.
Result<bool> map_lookup(int map_fd, const void* key, void* value);
/// BPF_MAP_DELETE_ELEM: false when there was no such key.
Result<bool> map_delete(int map_fd, const void* key);
/// BPF_MAP_GET_NEXT_KEY: false at the end; `key` null starts.
Result<bool> map_next_key(int map_fd, const void* key, void* next_key);

}  // namespace culvert::bpf
