#include "ztunnel/admin/admin.hpp"

#include <fmt/ranges.h>

#include "culvert/admin/cpu_profile_page.hpp"
#include "culvert/proxy/ask.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/trust_counters.hpp"
#include "ztunnel/admin/config_dump.hpp"
#include "ztunnel/admin/connections.hpp"
#include "ztunnel/admin/logging.hpp"
#include "ztunnel/admin/metrics_page.hpp"
#include "ztunnel/admin/profiles.hpp"
#include "ztunnel/control/zds_link.hpp"
#include "ztunnel/handover/retirement.hpp"

namespace culvert::ztunnel {
namespace {

using Routes = std::vector<admin::Route>;
using Kept = std::shared_ptr<const Observed>;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kIndex =
    "culvert-ztunnel\n\n"
    "GET  /config_dump   what it knows: workloads, services, policies, certificates, pods (JSON)\n"
    "GET  /connections   what it carries now; ?limit=N (JSON)\n"
    "GET  /logging       the log levels\n"
    "POST /logging       ?level=LEVEL, ?level=access:LEVEL, ?access_filter=FILTER, ?reset\n"
    "GET  /debug/pprof/profile  a CPU profile; ?seconds=10&frequency=100\n"
    "GET  /debug/pprof/heap     a heap profile; ?debug=1: what is known without one (text)\n"
    "POST /debug/pprof/heap/profiling  ?activate=true: samples allocations from now on; =false\n"
    "POST /drain         take no new connections, send GOAWAY on tunnels, stay\n"
    "POST /quitquitquit  the same, and exit when the last connection has ended, or at "
    "--drain-time\n";

admin::Response readiness(io::Loop& loop, const Kept& observed) {
  const auto pending = proxy::ask(loop, [observed] { return pending_tasks(*observed); });
  if (!pending) return busy();
  if (pending->empty()) return {200, "ready\n", kText};
  return {500, fmt::format("not ready, pending: {}\n", fmt::join(*pending, ", ")), kText};
}

admin::Response dump(const Settings& settings, io::Loop& loop, const Kept& observed) {
  auto connections = list_connections(*observed->workers, kMaxListed);
  if (!connections) return busy();
  const auto text = proxy::ask(
      loop,
      [&settings, observed, listed = std::make_shared<ConnectionList>(std::move(*connections))] {
        return config_dump(settings, *observed, *listed);
      });
  return text ? admin::Response{200, *text} : busy();
}

admin::Handler ending(io::Loop& loop, Retirement* retirement, End end, const char* answer) {
  return [&loop, retirement, end, answer](const admin::Request&) {
    loop.post([retirement, end] { retirement->ask(end); });
    return admin::Response{200, answer, kText};
  };
}

Routes admin_routes(const Settings& settings, io::Loop& loop, const Kept& observed,
                    telemetry::CpuProfiler& profiler) {
  LogSettings initial;
  initial.ztunnel = initial.access.level = log::level();
  if (auto filter = telemetry::AccessFilter::parse(settings.access_filter)) {
    initial.access.filter = std::move(*filter);
  }
  const auto logging = std::make_shared<Logging>(std::move(initial), *observed->workers);
  const auto drain = ending(loop, observed->retirement, End::kDrain, "draining\n");
  const auto quit = ending(loop, observed->retirement, End::kQuit, "draining, then exiting\n");
  return {
      {"GET", "/config_dump",
       [&settings, &loop, observed](const admin::Request&) {
         return dump(settings, loop, observed);
       }},
      {"GET", "/connections",
       [observed](const admin::Request& request) {
         return connections_page(*observed->workers, request);
       }},
      {"GET", "/logging", [logging](const admin::Request&) { return logging->get(); }},
      {"POST", "/logging",
       [logging](const admin::Request& request) { return logging->post(request); }},
      {"GET", "/debug/pprof/profile",
       [&profiler](const admin::Request& request) {
         return admin::cpu_profile_page(profiler, request);
       }},
      {"GET", "/debug/pprof/heap",
       [observed](const admin::Request& request) {
         return request.query.contains("debug") ? heap_page(*observed) : heap_profile_page();
       }},
      {"POST", "/debug/pprof/heap/profiling", heap_profiling_page},
      {"POST", "/drain", drain},
      {"POST", "/quitquitquit", quit},
      {"GET", "/", [](const admin::Request&) { return admin::Response{200, kIndex, kText}; }},
  };
}

Routes metrics_routes(io::Loop& loop, const Kept& observed) {
  const auto metrics = [observed, &loop](const admin::Request& request) {
    return metrics_page(loop, observed, request);
  };
  return {{"GET", "/metrics", metrics}, {"GET", "/stats/prometheus", metrics}};
}

Routes ready_routes(io::Loop& loop, const Kept& observed) {
  return {{"GET", "/healthz/ready",
           [observed, &loop](const admin::Request&) { return readiness(loop, observed); }}};
}

}  // namespace

admin::Response busy() {
  return admin::error_response(503, "the process is busy", "ask again");
}

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
  auto out = std::make_unique<Admin>();
  const std::pair<SocketAddress, Routes> wanted[] = {
      {settings.admin_address, admin_routes(settings, loop, kept, out->profiler_)},
      {settings.metrics_address, metrics_routes(loop, kept)},
      {settings.ready_address, ready_routes(loop, kept)}};
  for (const auto& [address, routes] : wanted) {
    auto server = admin::HttpServer::on_address(address, routes);
    if (!server) return std::unexpected(server.error());
    out->servers_.push_back(std::move(*server));
  }
  return out;
}

Result<std::unique_ptr<Admin>> Admin::start_private(const Settings& settings, io::Loop& loop,
                                                    Observed observed, const std::string& path) {
  const auto kept = std::make_shared<const Observed>(observed);
  auto out = std::make_unique<Admin>();
  Routes routes = admin_routes(settings, loop, kept, out->profiler_);
  for (const auto& more : {metrics_routes(loop, kept), ready_routes(loop, kept)}) {
    routes.insert(routes.end(), more.begin(), more.end());
  }
  auto server = admin::HttpServer::on_unix_socket(path, std::move(routes));
  if (!server) return std::unexpected(server.error());
  out->servers_.push_back(std::move(*server));
  return out;
}

}  // namespace culvert::ztunnel
