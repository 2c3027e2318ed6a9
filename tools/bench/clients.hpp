// The clients: each runs one load from one thread, prints its result as a line of JSON, and returns
// the program's exit status (Failures::exit_status).
#pragma once

#include <cstdint>

#include "bench/call.hpp"

namespace culvert::bench {

/// Bytes in bulk. {"bytes","seconds","mbit_s","wrong","failures"}
struct BulkOptions {
  unsigned streams = 1;
  double seconds = 5;       // how long is sent; 0: until `bytes`
  std::uint64_t bytes = 0;  // a stream; 0: until `seconds`
  bool download = false;    // the origin sends `bytes`
  bool every_byte = false;  // compared at this end; otherwise a sample (PatternCheck)
};
int run_bulk(const Target& target, const BulkOptions& options);

/// Requests over connections that are kept. {"requests","seconds","per_s","latency_us",...}
struct RequestOptions {
  unsigned connections = 1;
  double seconds = 5;
  double warm_up = 0.5;  // before that, not counted
  double rate = 0;       // a second; 0: each connection asks again as soon as it is answered
  unsigned burst = 1;    // at a rate: so many at the same moment, and as much later the next
  unsigned streams = 0;  // HTTP/2: so many requests at once on each connection; 0: HTTP/1.1
  bool grpc = false;     // HTTP/2: unary gRPC calls
};
int run_requests(const Target& target, const RequestOptions& options);
int run_h2_requests(const Target& target, const RequestOptions& options);

/// Connect, one request, the origin closes. {"connections","seconds","per_s","latency_us",...}
struct ConnectOptions {
  unsigned concurrency = 1;
  double seconds = 5;
  double warm_up = 0.5;
};
int run_connects(const Target& target, const ConnectOptions& options);

/// Idle connections. Reads words from standard input, answers each with a line of JSON: "open N"
/// (so many in all, each asked once), "stall N" (so many more that never read a long answer), "ask"
/// (all but those once more), "close" (all).
int run_hold(const Target& target);

/// Tells when new connections begin or cease to be answered, until standard input ends:
/// {"at_ns","answered"} for the first and for each change.
int run_watch(const Target& target);

}  // namespace culvert::bench
