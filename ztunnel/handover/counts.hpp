// What a ztunnel counted, on its way to the one that serves after it, so that Prometheus sees one
// series that never goes back: at the handover everything so far, and while it drains what came
// since. Words of a handover (words.hpp); on the control loop's thread.
//
//   who asks                            who counted
//   counts?                             series NUMBER ... {LABELS}    (one a label set)
//                                       trust NUMBER ...
//                                       counted SOURCE DESTINATION CONNECTIONS   (open now)
//   had                                 (never told again)
//
// A successor says "counts?" before "stop", and its "done" is the "had".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/proxy/trust_counters.hpp"
#include "culvert/telemetry/traffic_metrics.hpp"
#include "ztunnel/admin/collect.hpp"

namespace culvert::ztunnel {

namespace handover {

inline constexpr std::string_view kCountsAsked = "counts?";
inline constexpr std::string_view kHad = "had";
/// Of a packet with a label set: 27 labels of at most 253 characters, names besides.
inline constexpr std::size_t kMaxCountsPacketBytes = 64U << 10;

std::string series_words(const telemetry::CountedSeries& series);
/// nullopt for anything that series_words() does not make.
std::optional<telemetry::CountedSeries> parse_series(std::string_view packet);

}  // namespace handover

/// The side that counted.
class CountsTeller {
 public:
  /// All outlive it; `loop` is the control loop.
  CountsTeller(io::Loop& loop, const Workers& workers, telemetry::TrafficMetrics& metrics,
               const proxy::TrustCounters& trust)
      : loop_(loop), workers_(workers), metrics_(metrics), trust_(trust) {}

  /// Says what was not told yet, up to "counted". Its caller says when that arrived.
  io::Task<Result<void>> tell(int fd);
  /// What tell() said last arrived.
  void had();

 private:
  io::Loop& loop_;
  const Workers& workers_;
  telemetry::TrafficMetrics& metrics_;
  const proxy::TrustCounters& trust_;
  // What tell() said last.
  std::vector<telemetry::CountedSeries> said_;
  proxy::TrustCounts trust_said_{}, trust_had_{};
};

/// The side that serves: one for each process that tells.
class CountsTaker {
 public:
  /// Both outlive it.
  CountsTaker(telemetry::TrafficMetrics& metrics, proxy::TrustCounters& trust)
      : metrics_(metrics), trust_(trust) {}

  enum class Took : std::uint8_t { kPart, kAll, kNothing };
  /// Adds what the packet tells to our own counts. kAll: it was the last of an answer; kNothing: it
  /// is none of these words.
  Took take(std::string_view packet);
  /// What the other had open when it answered last.
  const OpenNow& open() const { return open_; }

 private:
  telemetry::TrafficMetrics& metrics_;
  proxy::TrustCounters& trust_;
  std::vector<telemetry::CountedSeries> series_;  // of the answer that is coming in
  proxy::TrustCounts trust_counts_{};
  OpenNow open_;
};

}  // namespace culvert::ztunnel
