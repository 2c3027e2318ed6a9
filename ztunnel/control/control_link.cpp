#include "ztunnel/control/control_link.hpp"

#include "culvert/base/log.hpp"
#include "culvert/xds/resources.hpp"

namespace culvert::ztunnel {
namespace {

// A ztunnel's name in xDS, in Istio's form: TYPE~IP~POD.NAMESPACE~DOMAIN.
xds::ClientOptions client_options(const Settings& settings) {
  xds::ClientOptions options;
  options.node.id =
      "ztunnel~127.0.0.1~" + settings.node + ".culvert-system~culvert-system.svc.cluster.local";
  options.node.cluster = settings.cluster_id;
  options.node.metadata = {{"NODE_NAME", settings.node}, {"CLUSTER_ID", settings.cluster_id}};
  // Policies first, so that no workload that comes names one that is not here (xds/session.hpp).
  options.type_urls = {std::string(xds::kAuthorizationType), std::string(xds::kAddressType)};
  return options;
}

}  // namespace

ControlLink::ControlLink(const Settings& settings, MeshFeed::Publish publish)
    : connector_(settings.control_socket),
      feed_(settings.trust_domain, std::move(publish)),
      saved_(feed_, settings.state_dir),
      client_(connector_, client_options(settings), saved_),
      certificates_(connector_) {}

io::Task<> ControlLink::run() {
  io::Scope beside;
  auto earlier = saved_.load();
  for (auto& response : earlier) client_.restore(std::move(response));
  beside.spawn(open_feed, this, !earlier.empty());
  beside.spawn([](SavedConfig* saved) -> io::Task<> { co_await saved->run(); }, &saved_);
  co_await client_.run();
  beside.request_stop();
  co_await beside.join();
}

io::Task<> ControlLink::open_feed(ControlLink* self, bool found) {
  const bool told =
      co_await self->client_.wait_ready(found ? io::in(kControlWait) : io::kNoDeadline);
  if (!told && !found) co_return;  // stopped
  if (!told) log::warn("control is away: serving by the configuration of an earlier run");
  self->feed_.open();
}

io::Task<> ControlLink::close() {
  co_await certificates_.close();
}

io::Task<std::expected<std::vector<std::string>, std::string>> ControlLink::sign(
    std::string request_pem, std::string identity) {
  xds::CertificateRequest request;
  request.csr_pem = std::move(request_pem);
  request.identity = std::move(identity);
  auto chain = co_await certificates_.create(std::move(request));
  if (!chain) co_return std::unexpected(chain.error().to_string());
  co_return std::move(*chain);
}

}  // namespace culvert::ztunnel
