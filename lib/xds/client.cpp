// One stream after the other: connect, converse, wait.
#include "culvert/xds/client.hpp"

#include "culvert/base/log.hpp"
#include "culvert/xds/limits.hpp"

namespace culvert::xds {
namespace {

using grpc::Status;
using grpc::StatusCode;

Status transport_failure(const Error& error) {
  return {StatusCode::kUnavailable, error.to_string()};
}
Status hostile(const Error& error) {
  return {StatusCode::kInternal, error.to_string()};
}

Ending ending_of(const Status& ended, bool connected) {
  if (ended.ok()) return Ending::kComplete;
  if (!connected) return Ending::kConnectionError;
  return ended.code == StatusCode::kUnavailable ? Ending::kReconnect : Ending::kError;
}

io::Task<> run_connection(h2::Connection* connection) {
  (void)co_await connection->run();
}

}  // namespace

Client::Client(grpc::Connector& connector, ClientOptions options, ResourceSink& sink)
    : connector_(connector),
      options_(std::move(options)),
      subscriber_(options_.node, options_.type_urls, sink) {
  for (const auto& url : options_.type_urls) received_[url] = {};
}

io::Task<> Client::run() {
  Backoff backoff(options_.backoff);
  std::string told;  // the same failure again and again is one log line
  while (true) {
    const auto begun = io::Clock::now();
    const Status ended = co_await connect_and_converse();
    ++endings_[static_cast<std::size_t>(ending_of(ended, connected_))];
    connected_ = false;
    last_error_ = ended.ok() ? "the server ended the stream" : ended.to_string();
    if (io::Clock::now() - begun > options_.backoff.longest) {
      backoff.reset();
      told.clear();
    }
    const double random = std::uniform_real_distribution<>(0, 1)(random_);
    if (!co_await io::sleep_until(io::in(backoff.next(random)))) co_return;
    if (std::exchange(told, last_error_) != last_error_) {
      log::warn("xds: connecting again after: {}", last_error_);
    }
  }
}

io::Task<Status> Client::connect_and_converse() {
  auto bytes = co_await connector_.connect(io::in(kConnectTimeout));
  if (!bytes) co_return transport_failure(bytes.error());
  auto connection = h2::Connection::client(std::move(*bytes), h2::Options::client());
  io::Scope scope;
  scope.spawn(run_connection, connection.get());
  Status ended = co_await converse(*connection);
  scope.request_stop();
  co_await scope.join();
  co_return ended;
}

io::Task<Status> Client::converse(h2::Connection& connection) {
  if (auto hello = co_await connection.handshake(io::in(kConnectTimeout)); !hello) {
    co_return transport_failure(hello.error());
  }
  grpc::CallOptions call_options;
  call_options.metadata = options_.metadata;
  call_options.authority = options_.authority;
  call_options.max_message_bytes = kMaxResponseBytes;
  auto call = grpc::ClientCall::start(connection, kDeltaMethod, call_options);
  if (!call) co_return transport_failure(call.error());
  connected_ = true;
  ++streams_;
  for (const auto& request : subscriber_.start_stream()) {
    if (!co_await call->write(serialize(request))) break;  // its status comes by reading
  }
  co_return co_await receive_all(*call);
}

io::Task<Status> Client::receive_all(grpc::ClientCall& call) {
  bool served = false;
  while (auto message = co_await call.read()) {
    auto response = parse_delta_response(*message);
    if (!response) co_return hostile(response.error());
    count(*response);
    const auto answer = subscriber_.receive(std::move(*response));
    if (!answer) co_return hostile(answer.error());
    if (!std::exchange(served, true)) log::info("xds: the server serves stream {}", streams_);
    if (answer->refusal) log::warn("xds: rejected {}", subscriber_.last_nack());
    if (subscriber_.ready()) ready_changed_.notify();
    (void)co_await call.write(serialize(*answer));  // a failure shows at the next read
  }
  co_return call.status();
}

void Client::count(const DeltaResponse& response) {
  const auto found = received_.find(response.type_url);
  if (found == received_.end()) return;
  ++found->second.messages;
  for (const auto& resource : response.resources) found->second.bytes += resource.bytes.size();
}

ClientStatus Client::status() const {
  return {connected_,
          subscriber_.ready(),
          streams_,
          subscriber_.held(),
          subscriber_.nacks(),
          subscriber_.last_nack(),
          last_error_,
          endings_,
          received_};
}

io::Task<bool> Client::wait_ready(io::Deadline deadline) {
  while (!subscriber_.ready()) {
    if (!co_await ready_changed_.wait(deadline)) co_return false;
  }
  co_return true;
}

}  // namespace culvert::xds
