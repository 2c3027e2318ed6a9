#include "waypoint/app.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <optional>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/process_memory.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/give_back.hpp"
#include "culvert/proxy/process.hpp"
#include "culvert/proxy/revocation_watch.hpp"
#include "waypoint/admin/admin.hpp"
#include "waypoint/control/link_options.hpp"
#include "waypoint/control/view_feed.hpp"
#include "waypoint/sandbox/shell.hpp"
#include "waypoint/worker/crew.hpp"
#include "waypoint/worker/retirement.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

constexpr auto kStartUp = std::chrono::seconds(3);  // enough for configuration and certificate
constexpr auto kCollectInterval = std::chrono::seconds(15);

// Half of what the process holds at first is code that only starting needs.
Task<> drop_startup_pages_soon() {
  if (co_await io::sleep_until(io::in(kStartUp))) drop_startup_pages();
}

}  // namespace

class App final {
 public:
  App(const Settings& settings, std::unique_ptr<io::Loop> loop, UniqueFd signals)
      : settings_(settings), loop_(std::move(loop)), signals_(std::move(signals)) {}

  int run() {
    loop_->post(
        [this] { loop_->root().spawn([](App* self) -> Task<> { co_await self->main(); }, this); });
    loop_->run();
    crew_.join();
    log::info("stopped");
    return status_;
  }

 private:
  // The life of the process.
  Task<> main() {
    io::Scope watch;
    watch.spawn([](App* self) -> Task<> { co_await self->wait_for_signals(); }, this);
    if (auto started = start(); started) {
      co_await wait_until_ready();
      co_await retirement_->run();
    } else {
      log::error("cannot start: {}", started.error().to_string());
      status_ = 1;
    }
    for (io::Scope* scope : {&watch, &parts_}) scope->request_stop();
    for (io::Scope* scope : {&watch, &parts_}) co_await scope->join();
    admin_.reset();
    if (certificates_) co_await certificates_->stop();
    co_await control_.close();
    crew_.stop_all();
    loop_->stop();
  }

  // The first asks for a drain, the second for the end.
  Task<> wait_for_signals() {
    signalfd_siginfo info{};
    std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(&info), sizeof info);
    while (co_await io::read(signals_.get(), bytes, io::kNoDeadline)) {
      log::info("received signal {}{}", info.ssi_signo, terminating_ ? " again: exiting" : "");
      if (retirement_) retirement_->ask(terminating_ ? End::kNow : End::kDrain);
      terminating_ = true;
      changed_.notify();
    }
  }

  Result<void> start() {
    const SharedByWorkers shared{settings_,
                                 budget_,
                                 trust_,
                                 metrics_,
                                 lines_,
                                 requests_,
                                 worker_count_ > 1 ? &counts_ : nullptr};
    if (auto started = crew_.start(shared, worker_count_); !started) return started;
    certificates_.emplace(
        control_,
        [this](const auto& identity, const auto& credentials, const auto& issuers) {
          revocations_.trust(identity, issuers.intermediates, issuers.roots);
          crew_.publish(credentials);
          changed_.notify();
        },
        [this](const auto& identity) { revocations_.forget(identity); }, settings_.tls_records);
    certificates_->want(settings_.identity().to_string());
    retirement_.emplace(settings_, *loop_, crew_.workers());
    parts_.spawn([](proxy::RevocationWatch* watch) -> Task<> { co_await watch->run(); },
                 &revocations_);
    parts_.spawn([](proxy::ControlLink* control) -> Task<> { co_await control->run(); }, &control_);
    parts_.spawn([](App* self) -> Task<> { co_await self->keep_collecting(); }, this);
    parts_.spawn(drop_startup_pages_soon);
    parts_.spawn(proxy::give_memory_back, [this] { return crew_.changes(); }, &budget_);
    auto admin = Admin::start(settings_, *loop_,
                              {&control_, &feed_, &*certificates_, &*retirement_, &metrics_,
                               &requests_, &trust_, &lines_, &budget_, &crew_.workers()});
    if (!admin) return std::unexpected(admin.error());
    admin_ = std::move(*admin);
    if (settings_.sandbox) {
      if (auto shell = give_up_system_calls(); !shell) return shell;
    }
    log::info("{} {}/{} with {} data thread(s)", settings_.edge ? "edge" : "waypoint", settings_.ns,
              settings_.name, worker_count_);
    return {};
  }

  // Nobody is let in before it is known what to do with him.
  Task<> wait_until_ready() {
    while (!terminating_ && !(control_.ready() && certificates_->status().front().ready)) {
      (void)co_await changed_.wait(io::kNoDeadline);
    }
    if (terminating_) co_return;
    if (auto serving = crew_.serve(settings_); !serving) {
      log::error("cannot serve: {}", serving.error().to_string());
      status_ = 1;
      retirement_->ask(End::kNow);
    }
  }

  // Idle label sets go, and workers have room for new ones.
  Task<> keep_collecting() {
    while (co_await io::sleep_until(io::in(kCollectInterval))) {
      for (const auto& worker : crew_.workers()) {
        worker->post([metrics = &metrics_, requests = &requests_.metrics](Worker& w) {
          metrics->deposit(w.reporter().collect(io::Clock::now()));
          requests->deposit(w.request_log().collect(io::Clock::now()));
          requests->deposit(w.request_log().collect_routes(io::Clock::now()));
        });
      }
      metrics_.settle(io::Clock::now());
      requests_.metrics.settle(io::Clock::now());
    }
  }

  void publish(const ViewPtr& view) {
    if (certificates_) certificates_->control_spoke();
    crew_.publish(view);
    changed_.notify();
  }

  l7::CompilerSettings compiler_settings() const {
    l7::CompilerSettings out;
    out.own_namespace = settings_.ns;
    return out;
  }

  const Settings& settings_;
  std::unique_ptr<io::Loop> loop_;
  UniqueFd signals_;
  bool terminating_ = false;
  int status_ = 0;
  io::Event changed_;
  io::Scope parts_;
  const unsigned worker_count_ = worker_count(settings_);
  telemetry::TrafficMetrics metrics_{worker_count_, settings_.metrics};
  RequestTelemetry requests_{worker_count_};
  telemetry::LineWriter lines_{STDERR_FILENO};
  proxy::TrustCounters trust_;
  h2::Budget budget_{kStreamBytesBudget};
  SharedCounts counts_;
  Crew crew_;
  ViewFeed feed_{settings_.trust_domain, settings_.edge ? settings_.name : "", compiler_settings(),
                 [this](const ViewPtr& view) { publish(view); }};
  proxy::ControlLink control_{link_options(settings_), feed_};
  proxy::RevocationWatch revocations_{settings_.crl_file,
                                      [this](const auto& list) { crew_.publish(list); }};
  std::optional<proxy::Certificates> certificates_;
  std::optional<Retirement> retirement_;
  std::unique_ptr<Admin> admin_;
};

int run(const Settings& settings) {
  auto signals = proxy::termination_signals();
  if (!signals) {
    log::error("cannot start: {}", signals.error().to_string());
    return 1;
  }
  proxy::ignore_hangups();
  proxy::raise_descriptor_limit();
  if (settings.sandbox) {
    if (auto shell = give_up_privileges(); !shell) {
      log::error("cannot start: {}", shell.error().to_string());
      return 1;
    }
  }
  auto loop = io::Loop::create();
  if (!loop) {
    log::error("cannot start: {}", loop.error().to_string());
    return 1;
  }
  App app(settings, std::move(*loop), std::move(*signals));
  return app.run();
}

}  // namespace culvert::waypoint
