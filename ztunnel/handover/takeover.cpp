#include "ztunnel/handover/takeover.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "culvert/base/log.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/handover/words.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

constexpr auto kBusyRetry = std::chrono::milliseconds(100);

// An invalid descriptor: nobody listens.
Task<Result<UniqueFd>> call_predecessor(std::string path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return fail_errno(errno, "open the handover socket");
  const auto there = co_await io::connect(fd.get(), path.c_str(), io::in(handover::kAnswerWait));
  if (!there) {
    const auto code = there.error().code;
    if (code == ErrorCode::kNotFound || code == ErrorCode::kRefused) co_return UniqueFd();
    co_return std::unexpected(there.error());
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.uid != ::geteuid()) {
    co_return fail(ErrorCode::kRefused, "the handover socket is another user's");
  }
  co_return fd;
}

}  // namespace

Task<Result<std::unique_ptr<Takeover>>> Takeover::find(std::string state_dir) {
  bool said = false;
  while (true) {
    auto fd = co_await call_predecessor(handover::serving_socket(state_dir));
    if (!fd) co_return std::unexpected(fd.error());
    if (!fd->valid()) co_return nullptr;
    (void)co_await handover::say(fd->get(), std::string(handover::kTakeOver));
    const auto answer = co_await handover::hear(fd->get(), io::in(handover::kAnswerWait));
    if (answer && *answer == handover::kYes) {
      co_return std::unique_ptr<Takeover>(new Takeover(std::move(*fd)));
    }
    if (!answer && answer.error().code != ErrorCode::kClosed &&
        answer.error().code != ErrorCode::kReset) {
      co_return std::unexpected(answer.error());
    }
    if (answer && !said) log::info("the serving ztunnel cannot hand over now: {}", *answer);
    said = true;
    if (!co_await io::sleep_until(io::in(kBusyRetry))) {
      co_return fail(ErrorCode::kCancelled, "find the serving ztunnel");
    }
  }
}

Task<> Takeover::run(CountsTaker& counts) {
  while (!lost_) {
    const auto packet =
        co_await handover::hear(fd_.get(), io::kNoDeadline, handover::kMaxCountsPacketBytes);
    if (packet && *packet == handover::kStopped) {
      stopped_ = true;
    } else {
      lost_ = !packet || counts.take(*packet) == CountsTaker::Took::kNothing;
    }
    if (lost_ || stopped_) changed_.notify();
  }
}

Task<> Takeover::wait(io::Clock::duration at_most) {
  if (!lost_) (void)co_await changed_.wait(io::in(at_most));
}

Task<> Takeover::ask_to_stop() {
  for (const auto word : {handover::kCountsAsked, handover::kStop}) {
    if (!co_await handover::say(fd_.get(), std::string(word))) lost_ = true;
  }
}

Task<> Takeover::done() {
  if (!lost_) (void)co_await handover::say(fd_.get(), std::string(handover::kDone));
}

}  // namespace culvert::ztunnel
