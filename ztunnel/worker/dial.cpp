#include "ztunnel/worker/dial.hpp"

#include "culvert/bpf/socket_maps.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/proxy/sockets.hpp"
#include "ztunnel/worker/pod_socket.hpp"

namespace culvert::ztunnel {

io::Task<Result<UniqueFd>> dial(const bpf::SocketMaps& maps, const Pod& pod, SocketAddress to,
                                std::optional<SocketAddress> shown_client, io::Deadline deadline) {
  auto fd = open_socket_in(pod, to.family());
  if (!fd) co_return std::unexpected(fd.error());
  proxy::send_at_once(fd->get());
  if (auto marked = maps.mark(fd->get(), shown_client); !marked) {
    co_return std::unexpected(marked.error());
  }
  // Towards an application the way is the pod's own loopback: nothing to learn of it.
  if (!shown_client) {
    proxy::keep_alive(fd->get());
    maps.measure(fd->get());
  }
  auto connected = co_await io::connect(fd->get(), to, deadline);
  if (!connected) {
    proxy::reset_on_close(fd->get());  // the other side may have accepted it just now
    Error error = connected.error();
    if (error.code != ErrorCode::kCancelled) error.origin = Origin::kUpstream;
    co_return std::unexpected(error);
  }
  co_return std::move(*fd);
}

}  // namespace culvert::ztunnel
