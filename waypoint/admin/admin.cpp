#include "waypoint/admin/admin.hpp"

#include <fmt/ranges.h>

#include "culvert/admin/cpu_profile_page.hpp"
#include "culvert/proxy/ask.hpp"
#include "waypoint/admin/config_dump.hpp"
#include "waypoint/admin/metrics_page.hpp"
#include "waypoint/telemetry/tap_page.hpp"

namespace culvert::waypoint {
namespace {

using Routes = std::vector<admin::Route>;
using Kept = std::shared_ptr<const Observed>;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kIndex =
    "culvert-waypoint\n\n"
    "GET  /config_dump   what it knows: its own entry, services, routes, certificate (JSON)\n"
    "GET  /tap           ?after=N: requests that ended since, a JSON object a line\n"
    "GET  /logging       the log level\n"
    "POST /logging       ?level=error|warn|info|debug\n"
    "GET  /debug/pprof/profile  ?seconds=10&frequency=100: a CPU profile for go tool pprof\n"
    "POST /quitquitquit  take no new work, finish what is under way within --drain-time, exit\n";

admin::Response busy() {
  return admin::error_response(503, "the process is busy", "ask again");
}

admin::Response readiness(io::Loop& loop, const Kept& observed) {
  const auto pending = proxy::ask(loop, [observed] { return pending_tasks(*observed); });
  if (!pending) return busy();
  if (pending->empty()) return {200, "ready\n", kText};
  return {500, fmt::format("not ready, pending: {}\n", fmt::join(*pending, ", ")), kText};
}

admin::Response logging(const admin::Request& request) {
  constexpr std::array<const char*, 4> kNames{"error", "warn", "info", "debug"};
  if (request.method == "POST") {
    const auto asked = request.query.find("level");
    const auto level =
        asked == request.query.end() ? std::nullopt : log::parse_level(asked->second);
    if (!level) return {400, "usage: POST /logging?level=error|warn|info|debug\n", kText};
    log::set_level(*level);
    log::warn("the log level is now {}", asked->second);
  }
  return {200,
          fmt::format("current log level is {}\n", kNames[static_cast<std::size_t>(log::level())]),
          kText};
}

Routes admin_routes(const Settings& settings, io::Loop& loop, const Kept& observed,
                    telemetry::CpuProfiler& profiler) {
  return {
      {"GET", "/config_dump",
       [&settings, &loop, observed](const admin::Request&) {
         const auto text =
             proxy::ask(loop, [&settings, observed] { return config_dump(settings, *observed); });
         return text ? admin::Response{200, *text} : busy();
       }},
      {"GET", "/tap",
       [observed](const admin::Request& request) {
         return tap_page(observed->requests->tap, request);
       }},
      {"GET", "/logging", logging},
      {"POST", "/logging", logging},
      {"GET", "/debug/pprof/profile",
       [&profiler](const admin::Request& request) {
         return admin::cpu_profile_page(profiler, request);
       }},
      {"POST", "/quitquitquit",
       [&loop, retirement = observed->retirement](const admin::Request&) {
         loop.post([retirement] { retirement->ask(End::kDrain); });
         return admin::Response{200, "draining, then exiting\n", kText};
       }},
      {"GET", "/", [](const admin::Request&) { return admin::Response{200, kIndex, kText}; }},
  };
}

Routes metrics_routes(io::Loop& loop, const Kept& observed) {
  const auto metrics = [observed, &loop](const admin::Request& request) {
    auto page = metrics_page(loop, observed, request);
    return page ? std::move(*page) : busy();
  };
  return {{"GET", "/metrics", metrics}, {"GET", "/stats/prometheus", metrics}};
}

Routes ready_routes(io::Loop& loop, const Kept& observed) {
  return {{"GET", "/healthz/ready",
           [observed, &loop](const admin::Request&) { return readiness(loop, observed); }}};
}

}  // namespace

std::vector<std::string> pending_tasks(const Observed& observed) {
  std::vector<std::string> out;
  if (!observed.retirement->serving()) out.push_back("draining");
  if (!observed.control->ready()) out.push_back("configuration");
  const auto certificates = observed.certificates->status();
  if (certificates.empty() || !certificates.front().ready) out.push_back("certificate");
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

}  // namespace culvert::waypoint
