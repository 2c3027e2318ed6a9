#include "ztunnel/app.hpp"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/admin/admin.hpp"
#include "ztunnel/admin/collect.hpp"
#include "ztunnel/control/certificates.hpp"
#include "ztunnel/control/control_link.hpp"
#include "ztunnel/control/revocation_watch.hpp"
#include "ztunnel/control/zds_link.hpp"
#include "ztunnel/handover/retirement.hpp"
#include "ztunnel/pods/registry.hpp"
#include "ztunnel/worker/worker.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

constexpr auto kMapsRetry = std::chrono::milliseconds(50);
constexpr std::size_t kStreamBytesBudget = 256U
                                           << 20;  // all HTTP/2 streams of the process together
constexpr unsigned kCoresPerWorker = 4;

unsigned worker_count(const Settings& settings) {
  if (settings.workers > 0) return settings.workers;
  return std::clamp(std::thread::hardware_concurrency() / kCoresPerWorker, 1U, kMaxWorkers);
}

// How many descriptors this process may have.
std::size_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

// Every connection takes two descriptors: use all that the hard limit allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// As the flags say it; the filter's text has been checked.
AccessLog access_log(const Settings& settings) {
  AccessLog out;
  out.level = log::level();
  if (auto filter = telemetry::AccessFilter::parse(settings.access_filter)) {
    out.filter = std::move(*filter);
  }
  return out;
}

// SIGTERM and SIGINT as a descriptor; blocked before any thread exists, so that all inherit it.
Result<UniqueFd> termination_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "open the signal descriptor");
  return fd;
}

// The death of a terminal, or of whoever reads the log, is no reason to end connections.
void ignore_hangups() {
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

class App {
 public:
  App(const Settings& settings, std::unique_ptr<io::Loop> loop, UniqueFd signals)
      : settings_(settings), loop_(std::move(loop)), signals_(std::move(signals)) {}

  int run() {
    loop_->post(
        [this] { loop_->root().spawn([](App* self) -> Task<> { co_await self->main(); }, this); });
    loop_->run();
    for (auto& thread : threads_) thread.join();
    log::info("stopped");
    return status_;
  }

 private:
  // The life of the process.
  Task<> main() {
    io::Scope watch;
    watch.spawn([](App* self) -> Task<> { co_await self->wait_for_signals(); }, this);
    if (co_await open_maps()) {
      if (auto started = start(); started) {
        co_await retirement_->run();
      } else {
        log::error("cannot start: {}", started.error().to_string());
        status_ = 1;
      }
      parts_.request_stop();
      co_await parts_.join();
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

  Result<void> start() {
    const std::size_t descriptors = descriptors_for_worker(descriptor_limit(), worker_count_);
    for (unsigned i = 0; i < worker_count_; ++i) {
      auto loop = io::Loop::create();
      if (!loop) return std::unexpected(loop.error());
      Reporter reporter(metrics_.worker(i), lines_, settings_.log_format == "json",
                        access_log(settings_));
      workers_.push_back(std::make_unique<Worker>(
          settings_, *maps_, budget_, trust_, std::move(reporter), std::move(*loop), descriptors));
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      threads_.emplace_back([worker = workers_[i].get()] { worker->run(); });
      ::pthread_setname_np(threads_.back().native_handle(), fmt::format("worker-{}", i).c_str());
    }
    certificates_.emplace(
        control_,
        [this](const auto& identity, const auto& credentials, const auto& issuers) {
          revocations_.trust(identity, issuers.intermediates, issuers.roots);
          publish(identity, credentials);
        },
        [this](const auto& identity) { withdraw(identity); });
    registry_.emplace(
        settings_, *maps_, workers_,
        [this](const auto& identity) { certificates_->want(identity); },
        [this](const auto& identity) { certificates_->unwant(identity); });
    retirement_.emplace(settings_, *loop_, *registry_, workers_);
    zds_.emplace(settings_.zds_socket, *registry_);
    parts_.spawn([](ZdsLink* zds) -> Task<> { co_await zds->run(); }, &*zds_);
    parts_.spawn([](RevocationWatch* watch) -> Task<> { co_await watch->run(); }, &revocations_);
    parts_.spawn([](ControlLink* control) -> Task<> { co_await control->run(); }, &control_);
    parts_.spawn(keep_collecting, &workers_, &metrics_);
    auto admin =
        Admin::start(settings_, *loop_,
                     Observed{&control_, &*zds_, &*registry_, &*certificates_, &*retirement_,
                              &metrics_, &trust_, &lines_, &budget_, &workers_});
    if (!admin) return std::unexpected(admin.error());
    admin_ = std::move(*admin);
    log::info("running on node {} with {} data thread(s)", settings_.node, workers_.size());
    return {};
  }

  void publish(const std::string& identity, const Credentials& credentials) {
    for (auto& worker : workers_) {
      worker->post(
          [identity, credentials](Worker& w) { w.take_credentials(identity, credentials); });
    }
  }

  void publish(const tls::RevocationListPtr& revoked) {
    for (auto& worker : workers_) {
      worker->post([revoked](Worker& w) { w.take_revocations(revoked); });
    }
  }

  void withdraw(const std::string& identity) {
    revocations_.forget(identity);
    for (auto& worker : workers_) {
      worker->post([identity](Worker& w) { w.drop_credentials(identity); });
    }
  }

  void publish(const mesh::SnapshotPtr& snapshot) {
    if (certificates_) certificates_->control_spoke();
    const auto change = std::make_shared<const mesh::PolicyChange>(
        mesh::policy_change(*std::exchange(published_, snapshot), *snapshot));
    for (auto& worker : workers_) {
      worker->post([snapshot, change](Worker& w) { w.take_snapshot(snapshot, *change); });
    }
  }

  // In the reverse order of start().
  Task<> shut_down() {
    admin_.reset();
    if (registry_) registry_->retain({});
    if (certificates_) co_await certificates_->stop();
    co_await control_.close();
    for (auto& worker : workers_) worker->stop_all();
  }

  const Settings& settings_;
  std::unique_ptr<io::Loop> loop_;
  UniqueFd signals_;
  bool terminating_ = false;
  int status_ = 0;
  io::Event signalled_;
  io::Scope parts_;
  const unsigned worker_count_ = worker_count(settings_);
  telemetry::TrafficMetrics metrics_{worker_count_, settings_.metrics};
  telemetry::LineWriter lines_{STDERR_FILENO};
  TrustCounters trust_;
  h2::Budget budget_{kStreamBytesBudget};
  std::optional<bpf::SocketMaps> maps_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  mesh::SnapshotPtr published_ = std::make_shared<const mesh::Snapshot>();  // workers have it
  ControlLink control_{settings_, [this](const mesh::SnapshotPtr& snapshot) { publish(snapshot); }};
  RevocationWatch revocations_{settings_.crl_file, [this](const auto& list) { publish(list); }};
  std::optional<Certificates> certificates_;
  std::optional<PodRegistry> registry_;
  std::optional<Retirement> retirement_;
  std::optional<ZdsLink> zds_;
  std::unique_ptr<Admin> admin_;
};

int run(const Settings& settings) {
  auto signals = termination_signals();
  if (!signals) {
    log::error("cannot start: {}", signals.error().to_string());
    return 1;
  }
  ignore_hangups();
  raise_descriptor_limit();
  if (!settings.state_dir.empty()) {
    if (auto made = make_dirs(settings.state_dir, 0700); !made) {
      log::error("cannot start: {}: {}", settings.state_dir, made.error().to_string());
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
