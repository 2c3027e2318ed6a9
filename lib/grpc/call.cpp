// Messages over a stream, the client's end and the server's end.
#include "culvert/grpc/call.hpp"

#include "culvert/io/loop.hpp"

namespace culvert::grpc {

// Both ends.

void MessageStream::fail_with(Status status) {
  if (failed_) return;
  failed_ = true;
  status_ = std::move(status);
}

void MessageStream::fail_with(const Error& error) {
  // Our own deadline or bound cut the stream, or the peer did: the code of a reset of ours says
  // nothing.
  fail_with(
      status_of(error, error.code == ErrorCode::kReset ? stream_.reset_code() : std::nullopt));
}

io::Task<std::optional<std::string>> MessageStream::read() {
  while (!failed_) {
    unread_ = unread_.subspan(deframer_.feed(unread_));
    if (auto message = deframer_.next()) co_return message;
    if (!deframer_.status().ok()) {
      fail_with(deframer_.status());
      break;
    }
    if (ended_) co_return std::nullopt;
    const auto part = co_await stream_.read(deadline_);
    if (!part) {
      fail_with(part.error());
    } else if (!part->empty()) {
      unread_ = *part;
    } else if (deframer_.at_boundary()) {
      ended_ = true;
    } else {
      fail_with({StatusCode::kInternal, "the stream ended inside a message"});
    }
  }
  co_return std::nullopt;
}

io::Task<Result<void>> MessageStream::write_message(std::string_view message) {
  const auto prefix = frame_prefix(message.size());
  auto written = co_await stream_.write(prefix, deadline_);
  if (written) {
    written = co_await stream_.write(
        {reinterpret_cast<const std::uint8_t*>(message.data()), message.size()}, deadline_);
  }
  co_return written;
}

// The client's end.

Result<ClientCall> ClientCall::start(h2::Connection& connection, std::string_view path,
                                     const CallOptions& options) {
  h2::Headers headers = {{":method", "POST"},          {":scheme", "http"},
                         {":path", std::string(path)}, {":authority", options.authority},
                         {"te", "trailers"},           {"content-type", "application/grpc"},
                         {"user-agent", "culvert"}};
  if (options.deadline != io::kNoDeadline) {
    headers.push_back({"grpc-timeout", format_timeout(options.deadline - io::Clock::now())});
  }
  headers.insert(headers.end(), options.metadata.begin(), options.metadata.end());
  auto stream = connection.open(headers, false);
  if (!stream) return std::unexpected(stream.error());
  return ClientCall(std::move(*stream), options.deadline, options.max_message_bytes);
}

io::Task<bool> ClientCall::write(std::string_view message) {
  co_return (co_await write_message(message)).has_value();
}

void ClientCall::take_status(const Metadata& from) {
  const std::string* code = h2::find(from, "grpc-status");
  if (code == nullptr) return fail_with({StatusCode::kInternal, "the answer has no grpc-status"});
  const std::string* message = h2::find(from, "grpc-message");
  fail_with({parse_status_code(*code), message != nullptr ? decode_message(*message) : ""});
}

io::Task<bool> ClientCall::read_headers() {
  const auto headers = co_await stream_.response(deadline_);
  if (!headers) {
    fail_with(headers.error());
    co_return false;
  }
  headers_read_ = true;
  const std::string* http = h2::find(**headers, ":status");
  const std::string* type = h2::find(**headers, "content-type");
  if (h2::find(**headers, "grpc-status") != nullptr) {  // "Trailers-Only"
    take_status(**headers);
  } else if (http == nullptr || *http != "200" || type == nullptr ||
             !type->starts_with("application/grpc")) {
    fail_with(status_of_http(http == nullptr ? "none" : *http));
  }
  co_return !failed_;
}

io::Task<std::optional<std::string>> ClientCall::read() {
  if (failed_) co_return std::nullopt;
  if (!headers_read_ && !co_await read_headers()) {
    if (!stream_.remote_ended()) stream_.reset(h2::kCancel);
    co_return std::nullopt;
  }
  auto message = co_await MessageStream::read();
  if (message) co_return message;
  if (ended_) take_status(stream_.trailers());
  if (!ended_) stream_.reset(h2::kCancel);
  co_return std::nullopt;
}

void ClientCall::cancel() {
  stream_.reset(h2::kCancel);
  fail_with({StatusCode::kCancelled, "we cancelled the call"});
}

io::Task<std::expected<std::string, Status>> unary(h2::Connection& connection, std::string path,
                                                   std::string request, CallOptions options) {
  auto call = ClientCall::start(connection, path, options);
  if (!call) co_return std::unexpected(status_of(call.error(), std::nullopt));
  if (co_await call->write(request)) call->finish_writing();
  auto answer = co_await call->read();
  if (answer && co_await call->read()) {
    call->cancel();
    co_return std::unexpected(
        Status{StatusCode::kInternal, "more than one answer to a unary call"});
  }
  if (!call->status().ok()) co_return std::unexpected(call->status());
  if (!answer) co_return std::unexpected(Status{StatusCode::kInternal, "OK without an answer"});
  co_return std::move(*answer);
}

// The server's end.

io::Task<bool> ServerCall::write(std::string_view message) {
  if (!headers_sent_) {
    headers_sent_ = true;
    (void)stream_.send_headers({{":status", "200"}, {"content-type", "application/grpc"}}, false);
  }
  const auto written = co_await write_message(message);
  if (!written) fail_with(written.error());
  co_return written.has_value();
}

void ServerCall::end(const Status& status) {
  h2::Headers trailers = {{"grpc-status", std::to_string(static_cast<int>(status.code))}};
  if (!status.message.empty()) trailers.push_back({"grpc-message", encode_message(status.message)});
  if (headers_sent_) {
    (void)stream_.send_trailers(trailers);
    return;
  }
  h2::Headers only = {{":status", "200"}, {"content-type", "application/grpc"}};
  only.insert(only.end(), trailers.begin(), trailers.end());
  (void)stream_.send_headers(only, true);
}

}  // namespace culvert::grpc
