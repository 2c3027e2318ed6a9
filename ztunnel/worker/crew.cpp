#include "ztunnel/worker/crew.hpp"

#include <functional>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/proxy/data_threads.hpp"
#include "culvert/proxy/process.hpp"

namespace culvert::ztunnel {
namespace {

// As the flags say it; the filter's text has been checked.
proxy::AccessLog access_log(const Settings& settings) {
  proxy::AccessLog out;
  out.level = log::level();
  if (auto filter = telemetry::AccessFilter::parse(settings.access_filter)) {
    out.filter = std::move(*filter);
  }
  return out;
}

}  // namespace

unsigned worker_count(const Settings& settings) {
  return proxy::data_threads(settings.workers, kMaxWorkers);
}

Result<void> Crew::start(const SharedByWorkers& shared, unsigned count) {
  const Settings& settings = shared.settings;
  const std::size_t descriptors = descriptors_for_worker(proxy::descriptor_limit(), count);
  for (unsigned i = 0; i < count; ++i) {
    auto loop = io::Loop::create({.busy_poll = settings.busy_poll});
    if (!loop) return std::unexpected(loop.error());
    proxy::Reporter reporter(shared.metrics.worker(i), shared.lines, settings.log_format == "json",
                             access_log(settings));
    workers_.push_back(std::make_unique<Worker>(settings, shared.maps, shared.budget, shared.trust,
                                                std::move(reporter), std::move(*loop),
                                                descriptors));
  }
  std::vector<std::function<void()>> lives;
  for (const auto& worker : workers_) lives.emplace_back([w = worker.get()] { w->run(); });
  threads_ = proxy::start_data_threads(std::move(lives));
  return {};
}

void Crew::publish(const std::string& identity, const proxy::Credentials& credentials) {
  for (auto& worker : workers_) {
    worker->post([identity, credentials](Worker& w) { w.take_credentials(identity, credentials); });
  }
}

void Crew::withdraw(const std::string& identity) {
  for (auto& worker : workers_) {
    worker->post([identity](Worker& w) { w.drop_credentials(identity); });
  }
}

void Crew::publish(const tls::RevocationListPtr& revoked) {
  for (auto& worker : workers_) {
    worker->post([revoked](Worker& w) { w.take_revocations(revoked); });
  }
}

void Crew::publish(const mesh::SnapshotPtr& snapshot) {
  const auto change = std::make_shared<const mesh::PolicyChange>(
      mesh::policy_change(*std::exchange(published_, snapshot), *snapshot));
  for (auto& worker : workers_) {
    worker->post([snapshot, change](Worker& w) { w.take_snapshot(snapshot, *change); });
  }
}

void Crew::stop_all() {
  for (auto& worker : workers_) worker->stop_all();
}

void Crew::join() {
  for (auto& thread : threads_) thread.join();
}

}  // namespace culvert::ztunnel
