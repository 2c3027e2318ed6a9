// HTTP on a connection that arrived: from its first request to its end.
#pragma once

#include <memory>

#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"
#include "waypoint/entry/arrival.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::waypoint {

class Worker;

/// Serves every request of it (exchange/serve.hpp). `worker` and `arrival` outlive it. Errors are
/// ServerConnection::run()'s.
io::Task<Result<void>> serve_http(Worker* worker, const Arrival* arrival, HttpVersion version,
                                  std::unique_ptr<io::ByteStream> bytes);

}  // namespace culvert::waypoint
