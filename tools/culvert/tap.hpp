// Requests as a waypoint's GET /tap tells them: which are wanted, and how they are shown. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "culvert/yaml_output.hpp"

namespace culvert::cli {

/// What is empty takes all.
struct TapFilter {
  std::string service;  // host name that was addressed
  std::string pod;      // "NAMESPACE/POD" that answered
  std::string from;     // "NAMESPACE" or "NAMESPACE/POD" of the client
  std::string method;
  std::string path;    // a prefix
  std::string status;  // "503", "5xx"
  bool takes(const Json& request) const;
};
/// Whether a text is such a status.
bool is_tap_status(const std::string& text);

/// A batch, as the page writes it: {"next": N, "lost": M}, then an event of a request a line.
struct TapBatch {
  std::uint64_t next = 0, lost = 0;
  std::vector<Json> requests;
};
/// nullopt when it is no such page.
std::optional<TapBatch> parse_tap(const std::string& page);

/// Whether the event is a request's end: "begin", "attempt" and "answer" come before it.
bool is_end(const Json& event);

/// Of an end one line, and one for each attempt where there are several; of what comes before it
/// one line that says so, and for how long it has been under way. Each with a newline. What a
/// client sent shows no control characters.
std::string tap_text(const Json& event, std::chrono::milliseconds under_way = {});

/// A request is shown before its end when it has lasted so long.
inline constexpr std::chrono::milliseconds kTapLasting{1000};
/// Requests under way of which one waypoint is remembered to have told; of more only the ends are
/// shown.
inline constexpr std::size_t kMaxTapUnderWay = 10'000;

/// The requests that a waypoint has told of and that have not ended: which of them have lasted long
/// enough to be shown.
class TapUnderWay {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// An event before the end.
  void take(const Json& event, TimePoint now);
  /// The request has ended, or is none of those that are wanted.
  void drop(const Json& event);
  struct Lasting {
    Json event;  // the newest
    std::chrono::milliseconds under_way;
  };
  /// Those that have become long by now, oldest first; each once.
  std::vector<Lasting> due(TimePoint now);
  /// Events were lost, or the waypoint is gone: whoever has ended is not known.
  void forget() { by_id_.clear(); }
  std::size_t size() const { return by_id_.size(); }

 private:
  struct One {
    Json event;
    TimePoint began;
    bool shown = false;
  };
  std::map<std::int64_t, One> by_id_;  // ids rise
};

}  // namespace culvert::cli
