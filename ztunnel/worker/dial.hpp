// Opens ztunnel's own connections inside pods' network namespaces, from a data thread.
#pragma once

#include <optional>

#include "culvert/base/fd.hpp"
#include "culvert/base/ip.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"
#include "ztunnel/pods/pod.hpp"

namespace culvert::bpf {
class SocketMaps;
}

namespace culvert::ztunnel {

/// Connects from inside `pod`'s namespace, with a socket that the capture hooks leave alone. With
/// `shown_client`, the application that accepts it sees that address as its peer. Errors have
/// origin kUpstream when the peer refused or is away, kLocal otherwise.
io::Task<Result<UniqueFd>> dial(const bpf::SocketMaps& maps, const Pod& pod, SocketAddress to,
                                std::optional<SocketAddress> shown_client, io::Deadline deadline);

}  // namespace culvert::ztunnel
