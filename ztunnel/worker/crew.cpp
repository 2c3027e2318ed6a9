#include "ztunnel/worker/crew.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <latch>
#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/proxy/process.hpp"
#include "culvert/proxy/time_slice.hpp"

namespace culvert::ztunnel {
namespace {

constexpr unsigned kCoresPerWorker = 4;

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
  if (settings.workers > 0) return settings.workers;
  return std::clamp(std::thread::hardware_concurrency() / kCoresPerWorker, 1U, kMaxWorkers);
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
  // What a thread asks of the kernel for itself comes before the process gives system calls up.
  const auto prepared = std::make_shared<std::latch>(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    threads_.emplace_back([worker = workers_[i].get(), prepared] {
      const auto sliced = proxy::take_short_slices(proxy::kDataThreadSlice);
      if (!sliced) log::warn("a data thread: {}", sliced.error().to_string());
      prepared->count_down();
      worker->run();
    });
    ::pthread_setname_np(threads_.back().native_handle(), fmt::format("worker-{}", i).c_str());
  }
  prepared->wait();
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
