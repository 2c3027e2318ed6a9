#include "ztunnel/admin/admin.hpp"

#include <fmt/ranges.h>

#include "ztunnel/admin/ask.hpp"
#include "ztunnel/admin/config_dump.hpp"
#include "ztunnel/control/control_link.hpp"
#include "ztunnel/control/zds_link.hpp"
#include "ztunnel/handover/retirement.hpp"
#include "ztunnel/live/trust_counters.hpp"

namespace culvert::ztunnel {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kIndex =
    "culvert-ztunnel\n\nGET /config_dump  what it knows: workloads, services, "
    "policies, certificates, pods (JSON)\n"
    "POST /drain  take no new connections, send GOAWAY on tunnels, stay\n"
    "POST /quitquitquit  the same, and exit when the last connection has ended, or at "
    "--drain-time\n";

admin::Response busy() {
  return admin::error_response(503, "the process is busy", "ask again");
}

admin::Response readiness(io::Loop& loop, std::shared_ptr<const Observed> observed) {
  const auto pending = ask(loop, [observed] { return pending_tasks(*observed); });
  if (!pending) return busy();
  if (pending->empty()) return {200, "ready\n", kText};
  return {500, fmt::format("not ready, pending: {}\n", fmt::join(*pending, ", ")), kText};
}

admin::Handler ending(io::Loop& loop, Retirement* retirement, End end, const char* answer) {
  return [&loop, retirement, end, answer](const admin::Request&) {
    loop.post([retirement, end] { retirement->ask(end); });
    return admin::Response{200, answer, kText};
  };
}

}  // namespace

std::vector<std::string> pending_tasks(const Observed& observed) {
  std::vector<std::string> out;
  if (!observed.retirement->serving()) out.push_back("draining");
  if (!observed.control->ready()) out.push_back("state manager");
  if (!observed.zds->ready()) out.push_back("workload proxy manager");
  return out;
}

Result<std::unique_ptr<Admin>> Admin::start(const Settings& settings, io::Loop& loop,
                                            Observed observed) {
  const auto kept = std::make_shared<const Observed>(observed);
  const auto metrics = [kept](const admin::Request&) {
    telemetry::PrometheusText text;
    kept->metrics->render(text);
    kept->trust->render(text);
    return admin::Response{200, text.take(), telemetry::kPrometheusContentType};
  };
  const auto dump = [kept, &settings, &loop](const admin::Request&) {
    const auto text = ask(loop, [&settings, kept] { return config_dump(settings, *kept); });
    return text ? admin::Response{200, *text} : busy();
  };
  auto out = std::make_unique<Admin>();
  const auto serve = [&](const SocketAddress& at,
                         std::vector<admin::Route> routes) -> Result<void> {
    auto server = admin::HttpServer::on_address(at, std::move(routes));
    if (!server) return std::unexpected(server.error());
    out->servers_.push_back(std::move(*server));
    return {};
  };
  auto ready = [kept, &loop](const admin::Request&) { return readiness(loop, kept); };
  auto index = [](const admin::Request&) { return admin::Response{200, kIndex, kText}; };
  auto drain = ending(loop, observed.retirement, End::kDrain, "draining\n");
  auto quit = ending(loop, observed.retirement, End::kQuit, "draining, then exiting\n");
  if (auto ok = serve(settings.admin_address, {{"GET", "/config_dump", dump},
                                               {"POST", "/drain", drain},
                                               {"POST", "/quitquitquit", quit},
                                               {"GET", "/", index}});
      !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = serve(settings.metrics_address,
                      {{"GET", "/metrics", metrics}, {"GET", "/stats/prometheus", metrics}});
      !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = serve(settings.ready_address, {{"GET", "/healthz/ready", ready}}); !ok) {
    return std::unexpected(ok.error());
  }
  return out;
}

}  // namespace culvert::ztunnel
