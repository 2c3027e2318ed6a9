#include "ztunnel/handover/words.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "culvert/io/socket.hpp"

namespace culvert::ztunnel::handover {

PodId id_of(const Pod& pod) {
  return {pod.uid, pod.netns_cookie};
}

std::string pod_words(std::string_view verb, const PodId& pod) {
  return fmt::format("{}{} {}", verb, pod.uid, pod.netns_cookie);
}

std::optional<PodId> parse_pod_words(std::string_view verb, std::string_view packet) {
  if (!packet.starts_with(verb)) return std::nullopt;
  packet.remove_prefix(verb.size());
  const auto space = packet.find(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  PodId out{std::string(packet.substr(0, space)), 0};
  packet.remove_prefix(space + 1);
  const auto [end, error] =
      std::from_chars(packet.data(), packet.data() + packet.size(), out.netns_cookie);
  if (error != std::errc() || end != packet.data() + packet.size()) return std::nullopt;
  return out;
}

io::Task<Result<std::string>> hear(int fd, io::Deadline deadline, std::size_t max_bytes) {
  std::vector<std::uint8_t> buffer(max_bytes);
  const auto packet = co_await io::recv_packet(fd, buffer, deadline);
  if (!packet) co_return std::unexpected(packet.error());
  if (packet->size == 0) co_return fail(ErrorCode::kClosed, "the other ztunnel has left");
  if (packet->truncated) co_return fail(ErrorCode::kLimit, "a packet of another ztunnel");
  co_return std::string(reinterpret_cast<const char*>(buffer.data()), packet->size);
}

io::Task<Result<void>> say(int fd, std::string words) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(words.data()), words.size());
  co_return co_await io::send_packet(fd, bytes, -1, io::in(kAnswerWait));
}

std::string serving_socket(const std::string& state_dir) {
  return state_dir + "/handover.sock";
}
std::string draining_folder(const std::string& state_dir) {
  return state_dir + "/draining";
}
std::string draining_socket(const std::string& state_dir) {
  return fmt::format("{}/{}.sock", draining_folder(state_dir), ::getpid());
}
std::string draining_admin(const std::string& state_dir) {
  return fmt::format("{}/{}.admin", draining_folder(state_dir), ::getpid());
}

}  // namespace culvert::ztunnel::handover
