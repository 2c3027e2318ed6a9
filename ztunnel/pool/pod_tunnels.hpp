// What a pod's tunnels are made with: sockets of its own namespace, its certificate, its share of
// the worker's descriptors. One a LocalPod; worker's thread.
#pragma once

#include "culvert/proxy/live_tunnels.hpp"
#include "culvert/proxy/tunnel_pool.hpp"

namespace culvert::ztunnel {

class Worker;
struct LocalPod;

class PodTunnels final : public proxy::TunnelOwner {
 public:
  /// Both outlive it.
  PodTunnels(Worker& worker, LocalPod& pod) : worker_(worker), pod_(pod) {}

  std::unique_ptr<proxy::TunnelPlace> take_place() override;
  io::Task<Result<proxy::Credentials>> credentials_of(std::string identity,
                                                      io::Deadline deadline) override;
  io::Task<Result<UniqueFd>> dial(SocketAddress to, io::Deadline deadline) override;
  const tls::RevocationListPtr& revoked() const override;
  void note_handshake_failure(const Error& error) override;
  proxy::LiveTunnels& live_tunnels() override;
  h2::Budget& stream_bytes() override;
  bool draining() const override;
  io::Scope& fibers() override;

 private:
  Worker& worker_;
  LocalPod& pod_;
};

}  // namespace culvert::ztunnel
