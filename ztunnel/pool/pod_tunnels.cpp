#include "ztunnel/pool/pod_tunnels.hpp"

#include "culvert/proxy/parties.hpp"

#include "culvert/proxy/live_tunnels.hpp"

#include <optional>

#include "ztunnel/worker/dial.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

class Place final : public proxy::TunnelPlace {
 public:
  Place(Worker& worker, LocalPod& pod)
      : worker_(worker), lease_(worker.descriptors(), pod.descriptors, 1) {}

  void connected(int fd, const mesh::Workload& source, const mesh::Workload& destination) override {
    telemetry::ConnectionRecord edge;
    edge.source = proxy::party_of(source);
    edge.destination = proxy::party_of(destination);
    measured_.emplace(worker_.measured(), fd, edge);
  }

 private:
  Worker& worker_;
  const DescriptorLease lease_;
  std::optional<Measured> measured_;
};

}  // namespace

std::unique_ptr<proxy::TunnelPlace> PodTunnels::take_place() {
  if (!worker_.has_room(pod_, 1, Role::kClient)) return nullptr;
  return std::make_unique<Place>(worker_, pod_);
}

Task<Result<proxy::Credentials>> PodTunnels::credentials_of(std::string identity,
                                                            io::Deadline deadline) {
  co_return co_await worker_.credentials_of(identity, deadline);
}

Task<Result<UniqueFd>> PodTunnels::dial(SocketAddress to, io::Deadline deadline) {
  co_return co_await ztunnel::dial(worker_.maps(), *pod_.pod, to, std::nullopt, deadline);
}

const tls::RevocationListPtr& PodTunnels::revoked() const {
  return worker_.revoked();
}

void PodTunnels::note_handshake_failure(const Error& error) {
  worker_.note_handshake_failure(error);
}

proxy::LiveTunnels& PodTunnels::live_tunnels() {
  return worker_.live_tunnels();
}

h2::Budget& PodTunnels::stream_bytes() {
  return pod_.bytes;
}

bool PodTunnels::draining() const {
  return worker_.draining();
}

io::Scope& PodTunnels::fibers() {
  return pod_.scope;
}

}  // namespace culvert::ztunnel
