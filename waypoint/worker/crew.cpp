#include "waypoint/worker/crew.hpp"

#include <functional>
#include <utility>

#include "culvert/proxy/data_threads.hpp"
#include "culvert/proxy/process.hpp"

namespace culvert::waypoint {
namespace {

proxy::AccessLog access_log(const Settings& settings) {
  proxy::AccessLog out;
  out.level = log::level();
  if (auto filter = telemetry::AccessFilter::parse(settings.access_filter)) {
    out.filter = std::move(*filter);
  }
  return out;
}

}  // namespace

std::size_t descriptors_for_worker(std::size_t process_limit, unsigned workers) {
  return (process_limit - process_limit / kReservedPart) / workers;
}

unsigned worker_count(const Settings& settings) {
  return proxy::data_threads(settings.workers, kMaxWorkers);
}

Result<void> Crew::start(const SharedByWorkers& shared, unsigned count) {
  const std::size_t descriptors = descriptors_for_worker(proxy::descriptor_limit(), count);
  for (unsigned i = 0; i < count; ++i) {
    auto loop = io::Loop::create({.busy_poll = shared.settings.busy_poll});
    if (!loop) return std::unexpected(loop.error());
    proxy::Reporter reporter(shared.metrics.worker(i), shared.lines,
                             shared.settings.log_format == "json", access_log(shared.settings));
    workers_.push_back(std::make_unique<Worker>(shared, std::move(reporter),
                                                shared.requests.metrics.worker(i), std::move(*loop),
                                                descriptors));
  }
  std::vector<std::function<void()>> lives;
  for (const auto& worker : workers_) lives.emplace_back([w = worker.get()] { w->run(); });
  threads_ = proxy::start_data_threads(std::move(lives));
  return {};
}

Result<void> Crew::serve(const Settings& settings) {
  std::vector<std::shared_ptr<std::vector<Listener>>> opened;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto listeners = open_listeners(settings, settings.hbone_port, Listener::Kind::kHbone);
    if (!listeners) return std::unexpected(listeners.error());
    opened.push_back(std::make_shared<std::vector<Listener>>(std::move(*listeners)));
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->post([mine = opened[i]](Worker& w) { w.serve(std::move(*mine)); });
  }
  return {};
}

void Crew::publish(const proxy::Credentials& credentials) {
  tell([credentials](Worker& w) { w.take_credentials(credentials); });
}

void Crew::publish(const tls::RevocationListPtr& revoked) {
  tell([revoked](Worker& w) { w.take_revocations(revoked); });
}

void Crew::publish(const ViewPtr& view) {
  tell([view](Worker& w) { w.take_view(view); });
}

void Crew::stop_all() {
  for (auto& worker : workers_) worker->stop_all();
}

std::uint64_t Crew::changes() const {
  std::uint64_t out = 0;
  for (const auto& worker : workers_) out += worker->changes();
  return out;
}

void Crew::join() {
  for (auto& thread : threads_) thread.join();
}

}  // namespace culvert::waypoint
