// Live connections as the data path makes them, for tests: reports whose lines can be read, and
// relays between sockets.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "culvert/proxy/live_connections.hpp"
#include "culvert/proxy/reporter.hpp"
#include "culvert/proxy/socket_end.hpp"
#include "tcp_pair.hpp"

namespace culvert::proxy::testing {

/// What reports need.
struct Telemetry {
  Telemetry() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    log = UniqueFd(fds[0]);
    sink = UniqueFd(fds[1]);
    lines.emplace(sink.get());
    reporter.emplace(metrics.worker(0), *lines, false, AccessLog{});
  }
  /// All lines; the last call.
  std::string logged() {
    lines.reset();  // writes what waits
    sink.reset();
    std::string out;
    char part[4096];
    for (ssize_t n = 0; (n = ::read(log.get(), part, sizeof part)) > 0;) {
      out.append(part, static_cast<std::size_t>(n));
    }
    return out;
  }
  UniqueFd log, sink;
  telemetry::TrafficMetrics metrics{1};
  std::optional<telemetry::LineWriter> lines;
  std::optional<Reporter> reporter;
};

/// A connection between left.theirs and right.theirs, once carry() runs.
struct Carried {
  Carried(LiveConnections& table, Telemetry& telemetry)
      : report(*telemetry.reporter, telemetry::Direction::kOutbound),
        live(table, report, Path::kJoined) {
    report.record.destination_address = *SocketAddress::parse("10.0.0.1:80");
    report.open(&live.bytes);
  }
  io::Task<> carry() {
    SocketEnd a(left.ours.get()), b(right.ours.get());
    live.tell(report, co_await relay(&a, &b, &live.bytes, &live.scope));
    left.ours.reset();
    right.ours.reset();
  }
  Tcp left = tcp_pair(), right = tcp_pair();
  Report report;
  LiveEntry live;
};

inline io::Task<> carry(Carried* one) {
  co_await one->carry();
}

}  // namespace culvert::proxy::testing
