// What two ztunnels of one node say to each other over a Unix socket (SOCK_SEQPACKET, mode 0600,
// the same uid at both ends): packets of words. docs/operations.md tells the whole handover.
//
//   successor to predecessor            predecessor to successor
//   takeover 1                          yes | no REASON
//   counts?
//   stop                                what it counted (counts.hpp), stopped (its ports are free)
//   done
//   who serves to who drains: keep UID COOKIE ..., kept; later remove UID COOKIE; counts? and had
//
// An older version that does not know a word goes on without it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"
#include "ztunnel/pods/pod.hpp"

namespace culvert::ztunnel::handover {

inline constexpr std::string_view kTakeOver = "takeover 1";  // with the protocol's version
inline constexpr std::string_view kYes = "yes";
inline constexpr std::string_view kNo = "no ";
inline constexpr std::string_view kStop = "stop";
inline constexpr std::string_view kStopped = "stopped";
inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kKeep = "keep ";
inline constexpr std::string_view kKept = "kept";
inline constexpr std::string_view kRemove = "remove ";

inline constexpr std::size_t kMaxPacketBytes = 512;  // a pod's uid has at most 128
inline constexpr auto kAnswerWait = std::chrono::seconds(10);

/// A pod as both know it: the same uid in a new sandbox is another.
struct PodId {
  std::string uid;
  std::uint64_t netns_cookie = 0;
  auto operator<=>(const PodId&) const = default;
};
PodId id_of(const Pod& pod);
/// "keep UID COOKIE", "remove UID COOKIE"; back: nullopt when it is none.
std::string pod_words(std::string_view verb, const PodId& pod);
std::optional<PodId> parse_pod_words(std::string_view verb, std::string_view packet);

/// The next packet; kClosed at the peer's end, kLimit for one of more than `max_bytes`.
io::Task<Result<std::string>> hear(int fd, io::Deadline deadline,
                                   std::size_t max_bytes = kMaxPacketBytes);
io::Task<Result<void>> say(int fd, std::string words);

/// Where the serving one listens, and where this process listens and is administered once it
/// drains.
std::string serving_socket(const std::string& state_dir);
std::string draining_folder(const std::string& state_dir);
std::string draining_socket(const std::string& state_dir);
std::string draining_admin(const std::string& state_dir);

}  // namespace culvert::ztunnel::handover
