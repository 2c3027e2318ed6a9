#include "succession.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "culvert/base/unix_socket.hpp"

namespace culvert::agent {
namespace {

constexpr std::string_view kTakeOver = "takeover 1";  // with the protocol's version
constexpr std::string_view kYours = "yours";
constexpr std::string_view kDone = "done";
constexpr std::chrono::seconds kAskWait{2};  // for the first word of somebody who has connected
constexpr int kDoorBacklog = 16;

std::string door_path(const std::string& state_dir) {
  return state_dir + "/handover.sock";
}

bool same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

Result<void> say(int fd, std::string_view words) {
  if (::send(fd, words.data(), words.size(), MSG_NOSIGNAL) < 0)
    return fail_errno(errno, "speak to the other agent");
  return {};
}

// Until there is something to hear on `fd`. kCancelled when `signals` (or -1) is readable first.
Result<void> wait_for_words(int fd, int signals, std::chrono::milliseconds at_most) {
  pollfd fds[] = {{fd, POLLIN, 0}, {signals, POLLIN, 0}};
  const int rc = ::poll(fds, std::size(fds), static_cast<int>(at_most.count()));
  if (rc < 0 && errno != EINTR) return fail_errno(errno, "wait for the other agent");
  if (fds[1].revents != 0) return fail(ErrorCode::kCancelled, "wait for the other agent");
  if (fds[0].revents == 0) return fail(ErrorCode::kTimeout, "wait for the other agent");
  return {};
}

struct Packet {
  std::string words;
  UniqueFd admin, zds;
};

// One packet and up to two descriptors. kClosed at the other's end.
Result<Packet> hear(int fd) {
  std::array<char, kMaxWordsBytes> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  iovec bytes{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return fail_errno(errno, "hear the other agent");
  Packet out;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::array<int, 2> fds{-1, -1};
    std::memcpy(fds.data(), CMSG_DATA(head), std::min(head->cmsg_len - CMSG_LEN(0), sizeof fds));
    out.admin = UniqueFd(fds[0]);
    out.zds = UniqueFd(fds[1]);
  }
  if (size == 0) return fail(ErrorCode::kClosed, "the other agent has ended");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(ErrorCode::kLimit, "hear the other agent");
  out.words.assign(text.data(), static_cast<std::size_t>(size));
  return out;
}

}  // namespace

Result<SuccessorDoor> SuccessorDoor::open(const std::string& state_dir) {
  auto listener = listen_unix(door_path(state_dir), SOCK_SEQPACKET, kDoorBacklog);
  if (!listener) return std::unexpected(listener.error());
  return SuccessorDoor(std::move(*listener));
}

std::optional<UniqueFd> SuccessorDoor::let_in() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.valid() || !same_user(fd.get())) return std::nullopt;
  if (!wait_for_words(fd.get(), -1, kAskWait)) return std::nullopt;
  const auto packet = hear(fd.get());
  if (!packet || packet->words != kTakeOver) return std::nullopt;
  return fd;
}

Result<void> hand_over(int successor, const Places& places) {
  std::string words = fmt::format("{} {}\n{}", kYours, places.admin.path, places.zds.path);
  const int fds[] = {places.admin.listener.get(), places.zds.listener.get()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
  iovec bytes{words.data(), words.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(head), fds, sizeof fds);
  if (::sendmsg(successor, &message, MSG_NOSIGNAL) < 0)
    return fail_errno(errno, "hand the sockets over");
  return {};
}

Succession wait_done(int successor, int signals) {
  constexpr std::chrono::hours kPatience{1};  // it opens the pins, and captures what it finds
  const auto waited = wait_for_words(successor, signals, kPatience);
  if (!waited && waited.error().code == ErrorCode::kCancelled) return Succession::kInterrupted;
  const auto packet = waited ? hear(successor) : std::unexpected(waited.error());
  return packet && packet->words == kDone ? Succession::kDone : Succession::kLost;
}

Result<std::optional<Predecessor>> Predecessor::find(const std::string& state_dir) {
  auto fd = connect_unix(door_path(state_dir), SOCK_SEQPACKET);
  if (!fd) {
    const ErrorCode code = fd.error().code;
    if (code == ErrorCode::kNotFound || code == ErrorCode::kRefused) return std::nullopt;
    return std::unexpected(fd.error());
  }
  if (!same_user(fd->get()))
    return fail(ErrorCode::kRefused, "take over from another user's agent");
  if (auto asked = say(fd->get(), kTakeOver); !asked) return std::nullopt;  // it has just ended
  return Predecessor(std::move(*fd));
}

Result<Places> Predecessor::take_over(int signals) {
  if (auto waited = wait_for_words(fd_.get(), signals, kHandOverWait); !waited)
    return std::unexpected(waited.error());
  auto packet = hear(fd_.get());
  if (!packet) {
    const ErrorCode code = packet.error().code;
    return fail(code == ErrorCode::kReset ? ErrorCode::kClosed : code, "hear the serving agent");
  }
  const std::string_view words = packet->words;
  const std::size_t line = words.find('\n');
  if (!words.starts_with(kYours) || line == std::string_view::npos || !packet->admin.valid() ||
      !packet->zds.valid())
    return fail(ErrorCode::kProtocol, "take over from the serving agent");
  const std::size_t path = kYours.size() + 1;
  return Places{{std::string(words.substr(path, line - path)), std::move(packet->admin)},
                {std::string(words.substr(line + 1)), std::move(packet->zds)}};
}

void Predecessor::done() {
  (void)say(fd_.get(), kDone);
  fd_.reset();
}

}  // namespace culvert::agent
