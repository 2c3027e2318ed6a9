#include "waypoint/entry/serve_http.hpp"

#include <fmt/format.h>

#include "culvert/base/log.hpp"
#include "waypoint/exchange/record.hpp"
#include "waypoint/exchange/serve.hpp"
#include "waypoint/worker/worker.hpp"

namespace culvert::waypoint {

using io::Task;

namespace {

// The requests of one connection, and its end in order.
class Requests final : public Handler, public Drainable {
 public:
  Requests(Worker& worker, const Arrival& arrival, HttpVersion version)
      : worker_(worker), arrival_(arrival), version_(version) {}

  Task<Result<void>> run(std::unique_ptr<io::ByteStream> bytes) {
    connection_ =
        ServerConnection::make(version_, std::move(bytes), worker_.server_options(), *this);
    const DrainEntry entry(worker_, *this);
    co_return co_await connection_->run();
  }

  // What begins while we drain, or at a port that no Gateway has any more, is the last of its
  // connection.
  [[clang::coro_wrapper]] Task<> serve(ServerExchange& exchange) override {
    const bool at_edge = arrival_.gateway != l7::kMesh;
    const bool closed = at_edge && !worker_.view()->edges->serves_port(arrival_.destination.port);
    if (closed || worker_.draining()) connection_->drain();
    return serve_exchange(&worker_.exchanges(), &arrival_, &exchange);
  }

  void refused(const http::Refusal& why) override {
    const bool http2 = version_ == HttpVersion::kHttp2;
    record_refused(worker_.exchanges(), arrival_,
                   http2 ? http::Version::kHttp2 : http::Version::kHttp11, why);
  }

  // An idle HTTP/1.1 connection has no way to say that it ends, nor has one whose response said
  // that it stays: whoever sends its next request just then would lose it. So it gets a while for
  // one more, whose response says so.
  void drain(bool idle_too) override {
    if (idle_too || connection_->can_say_that_it_ends()) connection_->drain();
  }

 private:
  Worker& worker_;
  const Arrival& arrival_;
  const HttpVersion version_;
  std::unique_ptr<ServerConnection> connection_;
};

}  // namespace

namespace {

/// HTTP/2 that floods or breaks the protocol ends here and nowhere else; what is wrong with single
/// requests is said by the access log.
void log_end(const Arrival& arrival, HttpVersion version, const Error& why) {
  if (why.code == ErrorCode::kCancelled) return;
  const bool hostile = version == HttpVersion::kHttp2 &&
                       (why.code == ErrorCode::kLimit || why.code == ErrorCode::kProtocol);
  const auto text =
      fmt::format("HTTP of {}: {}", arrival.client.address.to_string(), why.to_string());
  hostile ? log::warn("{}", text) : log::debug("{}", text);
}

}  // namespace

Task<Result<void>> serve_http(Worker* worker, const Arrival* arrival, HttpVersion version,
                              std::unique_ptr<io::ByteStream> bytes) {
  Requests requests(*worker, *arrival, version);
  auto ended = co_await requests.run(std::move(bytes));
  if (!ended) log_end(*arrival, version, ended.error());
  co_return ended;
}

}  // namespace culvert::waypoint
