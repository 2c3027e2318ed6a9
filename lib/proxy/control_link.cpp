#include "culvert/proxy/control_link.hpp"

#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/proxy/limits.hpp"

namespace culvert::proxy {
namespace {

xds::ClientOptions client_options(const ControlLinkOptions& options) {
  xds::ClientOptions out;
  out.node = options.node;
  out.type_urls = options.type_urls;
  return out;
}

}  // namespace

ControlLink::ControlLink(ControlLinkOptions options, Feed& feed)
    : connector_(options.socket),
      feed_(feed),
      saved_(feed_, options.state_dir),
      client_(connector_, client_options(options), saved_),
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

}  // namespace culvert::proxy
