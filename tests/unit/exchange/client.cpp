#include "client.hpp"

#include <doctest/doctest.h>

#include "culvert/io/loop.hpp"

namespace culvert::waypoint::test {

AskingClient::AskingClient(const Ask& its_ask) : ask_(its_ask) {
  const auto& ask = its_ask;
  request_.version = ask.version;
  request_.method = ask.method;
  request_.scheme = ask.scheme;
  request_.authority = ask.authority;
  request_.path = ask.path;
  request_.upgrade = ask.upgrade;
  for (const auto& [name, value] : ask.fields) REQUIRE(request_.fields.add(name, value));
  request_.body.present = ask.upgrade.empty() && (!ask.parts.empty() || !ask.ends || ask.breaks);
}

io::Task<Result<Bytes>> AskingClient::read_body(io::Deadline) {
  if (!ask_.upgrade.empty()) CHECK(head.has_value());  // its bytes come behind the 101
  if (given_ < ask_.parts.size()) {
    io::Event never;
    const auto woken = co_await never.wait(io::Loop::current().now() + ask_.between_parts);
    if (woken.error().code == ErrorCode::kCancelled) co_return std::unexpected(woken.error());
    const auto& part = ask_.parts[given_++];
    co_return Bytes{reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
  }
  if (ask_.breaks) co_return fail(*ask_.breaks, "request body", Origin::kClient);
  if (!ask_.ends) {
    io::Event never;
    co_return std::unexpected((co_await never.wait(io::kNoDeadline)).error());
  }
  trailers_.clear();
  for (const auto& [name, value] : ask_.trailers) trailers_.add(name, value);
  co_return Bytes{};
}

std::optional<Result<Bytes>> AskingClient::try_read_body() {
  if (ask_.between_parts.count() > 0 || given_ == ask_.parts.size()) return std::nullopt;
  const auto& part = ask_.parts[given_++];
  return Bytes{reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
}

void AskingClient::send_head(const http::ResponseHead& sent, bool end) {
  CHECK_MESSAGE(!head, "a second head");
  head = sent;
  whole = end;
}

io::Task<Result<void>> AskingClient::write_body(Bytes bytes, io::Deadline deadline) {
  REQUIRE(head);
  CHECK_FALSE(whole);
  io::Event never;
  const auto until = io::Loop::current().now() + ask_.reads_every;
  const auto woken = co_await never.wait(std::min(until, deadline));
  if (woken.error().code == ErrorCode::kCancelled) co_return woken;
  if (until > deadline) co_return fail(ErrorCode::kTimeout, "write", Origin::kClient);
  body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  co_return Result<void>();
}

io::Task<Result<void>> AskingClient::finish(const http::Fields& sent, io::Deadline) {
  trailers = list_of(sent);
  whole = true;
  co_return Result<void>();
}

}  // namespace culvert::waypoint::test
