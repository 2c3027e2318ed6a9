#include "ztunnel/handover/handover_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/handover/words.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

constexpr int kBacklog = 4;
constexpr std::size_t kMaxPeers = 8;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr auto kHandedOverCheck = std::chrono::milliseconds(10);
constexpr auto kTellingCheck = std::chrono::milliseconds(10);
constexpr auto kLastCountsWait = std::chrono::seconds(5);  // who serves asks every second

bool same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace

HandoverServer::~HandoverServer() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> HandoverServer::open() {
  const std::string path = handover::serving_socket(state_dir_);
  auto fd = listen_unix(path, SOCK_SEQPACKET, kBacklog);
  if (!fd) return std::unexpected(fd.error());
  listener_ = std::move(*fd);
  path_ = path;
  return {};
}

Task<> HandoverServer::run() {
  io::Scope peers;
  while (true) {
    auto accepted = co_await io::accept(listener_.get());
    if (!accepted) {
      if (accepted.error().code == ErrorCode::kCancelled) break;
      if (!co_await io::sleep_until(io::in(kAcceptPause))) break;
      continue;
    }
    if (!same_user(accepted->fd.get()) || peers.size() >= kMaxPeers) {
      log::warn("handover: a process of another user, or one too many, is turned away");
      continue;
    }
    peers.spawn(&HandoverServer::serve, this, accepted->fd.release());
  }
  peers.request_stop();
  co_await peers.join();
}

Task<> HandoverServer::serve(HandoverServer* self, int raw_fd) {
  const UniqueFd fd(raw_fd);
  std::vector<std::string> keep;
  while (true) {
    const auto packet = co_await handover::hear(fd.get(), io::kNoDeadline);
    if (!packet) break;
    if (!packet->starts_with(handover::kTakeOver.substr(0, handover::kTakeOver.find(' ')))) {
      // Who serves may speak of pods before its word that it serves was read on its other socket.
      while (self->retirement_.asked() < End::kHandedOver) {
        if (!co_await io::sleep_until(io::in(kHandedOverCheck))) break;
      }
      if (*packet == handover::kCountsAsked) {
        if (!co_await self->tell_counts(fd.get())) break;
      } else if (*packet == handover::kHad) {
        self->hear_had(fd.get());
      } else {
        self->hear_pods(*packet, keep);
      }
      continue;
    }
    const char* refusal = *packet != handover::kTakeOver ? "no it speaks version 1"
                          : !self->retirement_.serving() ? "no it drains already"
                          : self->busy_                  ? "no it hands over to another"
                                                         : nullptr;
    if (refusal != nullptr) {
      (void)co_await handover::say(fd.get(), refusal);
      co_return;
    }
    self->busy_ = true;
    co_await self->hand_over(fd.get());
    self->busy_ = false;
    co_return;
  }
  if (self->telling_ == fd.get()) self->telling_ = -1;
}

// One at a time: who serves and its successor may both ask, and nothing is to be told twice.
Task<bool> HandoverServer::tell_counts(int fd) {
  while (telling_ != -1 && telling_ != fd) {
    if (!co_await io::sleep_until(io::in(kTellingCheck))) co_return false;
  }
  telling_ = fd;
  ++told_rounds_;
  co_return (co_await counts_.tell(fd)).has_value();
}

void HandoverServer::hear_had(int fd) {
  if (telling_ != fd) return;
  counts_.had();
  telling_ = -1;
  had_round_ = told_rounds_;
  had_.notify();
}

Task<> HandoverServer::tell_last_counts() {
  if (!handed_over_) co_return;
  const auto until = io::in(kLastCountsWait);
  const std::uint64_t begun = told_rounds_;
  while (had_round_ <= begun && io::Clock::now() < until && retirement_.asked() != End::kNow) {
    (void)co_await had_.wait(io::in(kTellingCheck));
  }
}

// Until "done" everything can be taken back; our listeners stay open, and keep accepting.
Task<> HandoverServer::hand_over(int fd) {
  log::info("handover: a successor is getting ready");
  (void)co_await handover::say(fd, std::string(handover::kYes));
  bool stopped = false, asks_counts = false;
  while (true) {
    const auto packet = co_await handover::hear(fd, io::kNoDeadline);
    if (!packet) {
      if (packet.error().code == ErrorCode::kCancelled) co_return;
      co_return take_back(stopped);
    }
    if (*packet == handover::kStop && !stopped) {
      co_await places_.close_ports();
      const std::string path = handover::draining_socket(state_dir_);
      ::mkdir(handover::draining_folder(state_dir_).c_str(), 0700);
      if (::rename(path_.c_str(), path.c_str()) == 0) path_ = path;
      stopped = true;
      if (asks_counts) (void)co_await counts_.tell(fd);
      (void)co_await handover::say(fd, std::string(handover::kStopped));
    } else if (*packet == handover::kCountsAsked) {
      asks_counts = true;
    } else if (*packet == handover::kDone && stopped) {
      log::info("handover: a successor serves this node");
      if (asks_counts) counts_.had();
      handed_over_ = true;
      places_.move_out();
      co_return retirement_.ask(End::kHandedOver);
    } else {
      log::warn("handover: \"{}\" makes no sense now", *packet);
    }
  }
}

void HandoverServer::take_back(bool stopped) {
  log::warn("handover: the successor has left before it served; going on");
  if (!retirement_.serving()) return;
  if (auto offered = registry_.offer_all(); !offered) {
    log::error("handover: take the connections back: {}", offered.error().to_string());
  }
  if (!stopped) return;
  const std::string path = handover::serving_socket(state_dir_);
  if (::rename(path_.c_str(), path.c_str()) == 0) path_ = path;
  places_.open_ports();
}

// While we drain: our pods that are gone, or live on in another sandbox, end here.
void HandoverServer::hear_pods(std::string_view packet, std::vector<std::string>& keep) {
  const auto is_ours = [this](const handover::PodId& id) {
    return std::ranges::any_of(registry_.pods(),
                               [&](const PodPtr& pod) { return handover::id_of(*pod) == id; });
  };
  if (const auto kept = handover::parse_pod_words(handover::kKeep, packet)) {
    if (is_ours(*kept)) keep.push_back(kept->uid);
  } else if (packet == handover::kKept) {
    registry_.retain(keep);
    keep.clear();
  } else if (const auto gone = handover::parse_pod_words(handover::kRemove, packet)) {
    if (is_ours(*gone)) registry_.remove(gone->uid);
  }
}

}  // namespace culvert::ztunnel
