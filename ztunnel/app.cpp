#include "ztunnel/app.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/process_memory.hpp"
#include "culvert/io/socket.hpp"
#include "culvert/proxy/certificates.hpp"
#include "culvert/proxy/control_link.hpp"
#include "culvert/proxy/give_back.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "culvert/proxy/process.hpp"
#include "culvert/proxy/revocation_watch.hpp"
#include "ztunnel/admin/admin.hpp"
#include "ztunnel/admin/collect.hpp"
#include "ztunnel/control/link_options.hpp"
#include "ztunnel/control/zds_link.hpp"
#include "ztunnel/handover/draining_links.hpp"
#include "ztunnel/handover/handover_server.hpp"
#include "ztunnel/handover/retirement.hpp"
#include "ztunnel/handover/takeover.hpp"
#include "ztunnel/handover/test_stop.hpp"
#include "ztunnel/handover/words.hpp"
#include "ztunnel/pods/registry.hpp"
#include "ztunnel/sandbox/shell.hpp"
#include "ztunnel/worker/crew.hpp"

namespace culvert::ztunnel {

using io::Task;
using namespace std::chrono_literals;

namespace {

constexpr auto kAskPause = std::chrono::milliseconds(100);
constexpr auto kStartUp = std::chrono::seconds(3);  // enough for configuration and certificates
constexpr auto kMapsRetry = std::chrono::milliseconds(50);
constexpr std::size_t kStreamBytesBudget = 256U
                                           << 20;  // all HTTP/2 streams of the process together
// A successor takes over once it could serve every pod; or, when it can serve some, after so long:
// a pod whose certificate is refused for ever must not keep a new version away.
constexpr auto kStragglersWait = std::chrono::seconds(30);
constexpr auto kReadyCheck = std::chrono::milliseconds(10);
constexpr auto kPortsWait =
    std::chrono::seconds(5);  // from a predecessor's word to the last socket

// Half of what the process holds at first is code that only starting needs.
Task<> drop_startup_pages_soon() {
  if (co_await io::sleep_until(io::in(kStartUp))) drop_startup_pages();
}

std::uint64_t changes_of(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::uint64_t out = 0;
  for (const auto& worker : workers) out += worker->changes();
  return out;
}

}  // namespace

class App final : public PublicPlaces {
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
    if (co_await open_maps()) {
      if (auto started = co_await start(); started) {
        co_await retirement_->run();
        if (handover_) co_await handover_->tell_last_counts();
      } else {
        log::error("cannot start: {}", started.error().to_string());
        status_ = 1;
      }
      for (io::Scope* scope : {&agent_link_, &parts_}) scope->request_stop();
      for (io::Scope* scope : {&agent_link_, &parts_}) co_await scope->join();
    }
    watch.request_stop();
    co_await watch.join();
    co_await shut_down();
    loop_->stop();
  }

  // The first asks for a drain, the second for the end.
  Task<> wait_for_signals() {
    signalfd_siginfo info{};
    std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(&info), sizeof info);
    while (co_await io::read(signals_.get(), bytes, io::kNoDeadline)) {
      log::info("received signal {}{}", info.ssi_signo, terminating_ ? " again: exiting" : "");
      if (retirement_) retirement_->ask(terminating_ ? End::kNow : End::kQuit);
      terminating_ = true;
      signalled_.notify();
    }
  }

  // The agent pins the maps; ztunnel may be started first, or while it pins them, or with an agent
  // of another layout that is about to be replaced. It waits: pods are refused meanwhile.
  Task<bool> open_maps() {
    std::string said;
    while (!terminating_) {
      auto maps = bpf::SocketMaps::open(settings_.bpf_dir);
      if (maps) {
        maps_.emplace(std::move(*maps));
        co_return true;
      }
      const std::string why = maps.error().to_string();
      if (why != said) log::info("waiting for the agent's maps in {}: {}", settings_.bpf_dir, why);
      said = why;
      (void)co_await signalled_.wait(io::in(kMapsRetry));
    }
    co_return false;
  }

  void make_parts() {
    auto& workers = crew_.workers();
    certificates_.emplace(
        control_,
        [this](const auto& identity, const auto& credentials, const auto& issuers) {
          revocations_.trust(identity, issuers.intermediates, issuers.roots);
          crew_.publish(identity, credentials);
        },
        [this](const auto& identity) {
          revocations_.forget(identity);
          crew_.withdraw(identity);
        },
        settings_.tls_records);
    registry_.emplace(
        settings_, *maps_, workers, [this](const auto& identity) { certificates_->want(identity); },
        [this](const auto& identity) { certificates_->unwant(identity); });
    retirement_.emplace(settings_, *loop_, *registry_, workers);
    zds_.emplace(settings_.zds_socket, *registry_);
    if (!settings_.state_dir.empty()) {
      draining_.emplace(
          settings_.state_dir, *registry_, [this] { return zds_->ready(); }, metrics_, trust_);
    }
    observed_ = {&control_,       &feed_,        &*zds_,    &*registry_,
                 &*certificates_, &*retirement_, &metrics_, &trust_,
                 &lines_,         &budget_,      &workers,  draining_ ? &*draining_ : nullptr};
    agent_link_.spawn([](ZdsLink* zds) -> Task<> { co_await zds->run(); }, &*zds_);
    parts_.spawn([](proxy::RevocationWatch* watch) -> Task<> { co_await watch->run(); },
                 &revocations_);
    parts_.spawn([](proxy::ControlLink* control) -> Task<> { co_await control->run(); }, &control_);
    parts_.spawn(keep_collecting, &workers, &metrics_);
    parts_.spawn(drop_startup_pages_soon);
    parts_.spawn(proxy::give_memory_back, [&workers] { return changes_of(workers); }, &budget_);
  }

  // A predecessor serves until all of this is done; when we fail it goes on.
  Task<Result<void>> start() {
    if (!settings_.state_dir.empty()) {
      auto found = co_await Takeover::find(settings_.state_dir);
      if (!found) co_return std::unexpected(found.error());
      takeover_ = std::move(*found);
    }
    const SharedByWorkers shared{settings_, *maps_, budget_, trust_, metrics_, lines_};
    if (auto started = crew_.start(shared, worker_count_); !started) co_return started;
    make_parts();
    if (takeover_ != nullptr) {
      registry_->hold_back();
      parts_.spawn([](App* self) -> Task<> { co_await self->takeover_->run(self->earlier_); },
                   this);
      co_await take_over();
    }
    if (auto opened = co_await open_admin(); !opened) co_return opened;
    if (!settings_.state_dir.empty()) {
      if (auto opened = listen_for_successor(); !opened) co_return opened;
    }
    if (takeover_ != nullptr) {
      stop_for_test("listening");
      co_await takeover_->done();
    }
    if (settings_.sandbox) {
      if (auto shell = give_up_system_calls(); !shell) co_return std::unexpected(shell.error());
    }
    log::info("running on node {} with {} data thread(s)", settings_.node, worker_count_);
    co_return Result<void>();
  }

  bool could_serve(io::Clock::time_point since) const {
    if (!control_.ready()) return false;
    std::size_t missing = zds_->ready() ? 0 : 1, there = 0;
    for (const auto& certificate : certificates_->status()) {
      ++(certificate.ready ? there : missing);
    }
    return missing == 0 || (there > 0 && io::Clock::now() - since > kStragglersWait);
  }

  Task<> take_over() {
    log::info("handover: another ztunnel serves this node; getting ready");
    const auto began = io::Clock::now();
    const auto goes_on = [this] { return !takeover_->lost() && retirement_->serving(); };
    while (goes_on() && !could_serve(began)) co_await takeover_->wait(kReadyCheck);
    stop_for_test("prepared");
    if (!retirement_->serving()) co_return;
    if (takeover_->lost()) log::warn("handover: the other ztunnel is gone");
    if (auto offered = registry_->offer_all(); !offered) {
      log::error("handover: take the connections over: {}", offered.error().to_string());
    }
    stop_for_test("offered");
    if (goes_on()) co_await takeover_->ask_to_stop();
    while (goes_on() && !takeover_->stopped()) co_await takeover_->wait(kAskPause);
    stop_for_test("stopped");
    if (goes_on()) log::info("handover: taken over after {} ms", (io::Clock::now() - began) / 1ms);
  }

  Task<Result<void>> open_admin() {
    const auto until = io::in(takeover_ != nullptr ? kPortsWait : io::Clock::duration::zero());
    while (true) {
      auto admin = Admin::start(settings_, *loop_, observed_);
      if (admin) admin_ = std::move(*admin);
      if (admin) co_return Result<void>();
      if (io::Clock::now() >= until) co_return std::unexpected(admin.error());
      if (!co_await io::sleep_until(io::in(kMapsRetry))) co_return std::unexpected(admin.error());
    }
  }

  Result<void> listen_for_successor() {
    handover_.emplace(settings_.state_dir, *registry_, *retirement_, *this,
                      CountsTeller(*loop_, crew_.workers(), metrics_, trust_));
    if (auto opened = handover_->open(); !opened) return opened;
    parts_.spawn([](HandoverServer* server) -> Task<> { co_await server->run(); }, &*handover_);
    agent_link_.spawn([](DrainingLinks* links) -> Task<> { co_await links->run(); }, &*draining_);
    return {};
  }

  // PublicPlaces. A server waits for its handlers, which may wait for this loop: not on this
  // thread.
  Task<> close_ports() override {
    io::Event closed;
    bool done = false;
    std::thread closer([&, admin = std::move(admin_)]() mutable {
      admin.reset();
      loop_->post([&] {
        done = true;
        closed.notify();
      });
    });
    while (!done) (void)co_await closed.wait(io::in(kAskPause));
    closer.join();
  }

  void open_ports() override {
    auto admin = Admin::start(settings_, *loop_, observed_);
    if (!admin) return log::error("open the admin ports again: {}", admin.error().to_string());
    admin_ = std::move(*admin);
  }

  // The successor speaks with the agent; whoever started us may end now.
  void move_out() override {
    ::setsid();
    agent_link_.request_stop();
    auto admin = Admin::start_private(settings_, *loop_, observed_,
                                      handover::draining_admin(settings_.state_dir));
    if (!admin) return log::error("open the private admin socket: {}", admin.error().to_string());
    admin_ = std::move(*admin);
  }

  void publish(const mesh::SnapshotPtr& snapshot) {
    if (certificates_) certificates_->control_spoke();
    crew_.publish(snapshot);
  }

  // In the reverse order of start().
  Task<> shut_down() {
    admin_.reset();
    handover_.reset();
    if (registry_) registry_->retain({});
    if (certificates_) co_await certificates_->stop();
    co_await control_.close();
    crew_.stop_all();
  }

  const Settings& settings_;
  std::unique_ptr<io::Loop> loop_;
  UniqueFd signals_;
  bool terminating_ = false;
  int status_ = 0;
  io::Event signalled_;
  io::Scope agent_link_;  // what depends on being the one that serves
  io::Scope parts_;
  const unsigned worker_count_ = worker_count(settings_);
  telemetry::TrafficMetrics metrics_{worker_count_, settings_.metrics};
  telemetry::LineWriter lines_{STDERR_FILENO};
  proxy::TrustCounters trust_;
  h2::Budget budget_{kStreamBytesBudget};
  std::optional<bpf::SocketMaps> maps_;
  Crew crew_;
  proxy::MeshFeed feed_{settings_.trust_domain,
                        [this](const mesh::SnapshotPtr& snapshot) { publish(snapshot); }};
  proxy::ControlLink control_{link_options(settings_), feed_};
  proxy::RevocationWatch revocations_{settings_.crl_file,
                                      [this](const auto& list) { crew_.publish(list); }};
  std::optional<proxy::Certificates> certificates_;
  std::optional<PodRegistry> registry_;
  std::optional<Retirement> retirement_;
  std::optional<ZdsLink> zds_;
  Observed observed_{};
  std::unique_ptr<Takeover> takeover_;     // null: there was no predecessor
  CountsTaker earlier_{metrics_, trust_};  // what it counted before it drained
  std::optional<HandoverServer> handover_;
  std::optional<DrainingLinks> draining_;
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
  if (!settings.state_dir.empty()) {
    if (auto made = make_dirs(settings.state_dir, 0700); !made) {
      log::error("cannot start: {}: {}", settings.state_dir, made.error().to_string());
      return 1;
    }
  }
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

}  // namespace culvert::ztunnel
