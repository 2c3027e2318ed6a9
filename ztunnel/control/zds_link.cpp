#include "ztunnel/control/zds_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "culvert/base/log.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/socket.hpp"

namespace culvert::ztunnel {

using io::Task;

namespace {

constexpr auto kFirstReconnect = std::chrono::milliseconds(10);
constexpr auto kMaxReconnect = std::chrono::seconds(1);
constexpr auto kRetryPods = std::chrono::seconds(5);
constexpr auto kSendTimeout = std::chrono::seconds(10);
// One byte more than a packet may have, so that a longer one is told from a full one.
constexpr std::size_t kPacketBuffer = zds::kMaxPacketBytes + 1;

std::span<const std::uint8_t> as_octets(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<void> ZdsLink::start(const zds::Workload& workload, UniqueFd netns) {
  UniqueFd copy(::fcntl(netns.get(), F_DUPFD_CLOEXEC, 0));
  auto added = registry_.add(workload.uid, workload.namespace_name, workload.name,
                             workload.service_account, std::move(netns));
  if (!added) {
    log::warn("pod {}/{}: {}", workload.namespace_name, workload.name, added.error().to_string());
    pending_netns_[workload.uid] = std::move(copy);
  }
  return added;
}

Task<Result<void>> ZdsLink::answer(int fd, std::span<const std::uint8_t> packet, UniqueFd netns) {
  std::optional<std::uint64_t> cookie;
  if (netns.valid()) {
    const auto read = bpf::netns_cookie(netns.get());
    if (!read) co_return std::unexpected(read.error());
    cookie = *read;
  }
  const auto step = client_.on_packet(std::as_bytes(packet), cookie);
  if (!step) {
    const std::string refusal = zds::encode_ack(step.error().to_string());
    (void)co_await io::send_packet(fd, as_octets(refusal), -1, io::in(kSendTimeout));
    co_return std::unexpected(step.error());
  }
  for (const auto& uid : step->stop) {
    registry_.remove(uid);
    pending_netns_.erase(uid);
  }
  std::string start_error;
  if (step->start) {
    const auto started = start(*step->start, std::move(netns));
    if (!started) start_error = started.error().to_string();
  }
  const std::string ack = client_.finish(start_error);
  co_return co_await io::send_packet(fd, as_octets(ack), -1, io::in(kSendTimeout));
}

Task<Result<void>> ZdsLink::serve_once() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return fail_errno(errno, "open the ZDS socket");
  auto connected = co_await io::connect(fd.get(), socket_path_.c_str(), io::in(kSendTimeout));
  if (!connected) co_return connected;
  const std::string hello = client_.connected();
  auto greeted = co_await io::send_packet(fd.get(), as_octets(hello), -1, io::in(kSendTimeout));
  if (!greeted) co_return greeted;
  std::array<std::uint8_t, kPacketBuffer> buffer;
  while (true) {
    auto packet = co_await io::recv_packet(fd.get(), buffer, io::kNoDeadline);
    if (!packet) co_return std::unexpected(packet.error());
    if (packet->size == 0) co_return fail(ErrorCode::kClosed, "the agent closed the ZDS socket");
    if (packet->truncated) co_return fail(ErrorCode::kLimit, "ZDS packet too large");
    auto answered =
        co_await answer(fd.get(), std::span(buffer).first(packet->size), std::move(packet->passed));
    if (!answered) co_return answered;
  }
}

Task<> ZdsLink::retry_pending() {
  while (co_await io::sleep_until(io::in(kRetryPods))) {
    for (const auto& workload : client_.pending()) {
      const auto found = pending_netns_.find(workload.uid);
      if (found == pending_netns_.end()) continue;
      UniqueFd netns = std::move(found->second);
      pending_netns_.erase(found);
      if (!start(workload, std::move(netns))) continue;
      if (!client_.retried(workload.uid)) registry_.remove(workload.uid);
    }
  }
}

Task<> ZdsLink::run() {
  io::Scope retries;
  retries.spawn([](ZdsLink* self) -> Task<> { co_await self->retry_pending(); }, this);
  std::chrono::milliseconds pause = kFirstReconnect;
  std::string last_reported;
  while (true) {
    const bool was_ready = client_.ready();
    const auto ended = co_await serve_once();
    if (client_.ready()) pause = kFirstReconnect;
    client_.disconnected();
    if (ended.error().code == ErrorCode::kCancelled) break;
    const std::string why = ended.error().to_string();
    if (why != last_reported || was_ready) log::info("agent ({}): {}", socket_path_, why);
    last_reported = why;
    if (!co_await io::sleep_until(io::in(pause))) break;
    pause = std::min<std::chrono::milliseconds>(pause * 2, kMaxReconnect);
  }
  retries.request_stop();
  co_await retries.join();
}

}  // namespace culvert::ztunnel
