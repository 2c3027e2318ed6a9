// A hostile upstream's bytes into a connection of the waypoint that asks: every request gets an
// answer or an error, whatever comes; an answer could not be read in two ways, and is the same
// however the bytes were cut. Shared by http1_asked and http2_asked.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "culvert/io/scope.hpp"
#include "peer.hpp"
#include "waypoint/http/client.hpp"

namespace culvert::fuzz {

inline constexpr std::size_t kRequests = 3;

struct Asked {
  std::size_t informational = 0;
  std::optional<std::uint16_t> status;
  std::string fields;
  std::string body;
  std::string trailers;
  bool whole = false;  // the answer's end was seen
  bool ended = false;  // its fiber
};
using AllAsked = std::array<Asked, kRequests>;

/// Which requests come first: a POST with a body and trailers, a HEAD, a websocket.
inline http::RequestHead request_of(std::size_t which, bool http2) {
  http::RequestHead head;
  head.version = http2 ? http::Version::kHttp2 : http::Version::kHttp11;
  head.scheme = "http";
  head.authority = "web";
  head.path = "/";
  which %= 3;
  head.method = which == 0 ? "POST" : which == 1 ? "HEAD" : "GET";
  head.body.present = which == 0;
  if (which == 2) head.upgrade = "websocket";
  return head;
}

/// True when there is an answer.
inline io::Task<bool> read_heads(Asked* asked, waypoint::ClientExchange& exchange) {
  while (true) {
    const auto head = co_await exchange.read_head(io::kNoDeadline);
    if (!head) co_return false;
    check_fields((*head)->fields);
    require((*head)->status >= 100 && (*head)->status <= 999, "a status has three digits");
    if ((*head)->informational()) {
      require(++asked->informational <= http::kMaxInformational, "informational ones are bounded");
      continue;
    }
    asked->status = (*head)->status;
    asked->fields = text_of((*head)->fields);
    co_return true;
  }
}

inline io::Task<> converse(Asked* asked, waypoint::ClientExchange& exchange,
                           const http::RequestHead& head) {
  constexpr std::array<std::uint8_t, 5> kBody{'h', 'e', 'l', 'l', 'o'};
  if (!exchange.send_head(head, head.method == "HEAD")) co_return;
  http::Fields trailers;
  if (head.body.present) {
    trailers.add("x-end", "1");
    if (!co_await exchange.write_body(kBody, io::kNoDeadline)) co_return;
    if (!co_await exchange.finish(trailers, io::kNoDeadline)) co_return;
  }
  if (!co_await read_heads(asked, exchange)) co_return;
  while (true) {
    const auto part = co_await exchange.read_body(io::kNoDeadline);
    if (!part) co_return;
    asked->whole = part->empty();
    if (asked->whole) break;
    require(head.method != "HEAD", "the answer to HEAD has no body");
    asked->body.append(fuzz::text_of(*part));
    if (asked->status == 101 && !co_await exchange.write_body(*part, io::kNoDeadline)) co_return;
  }
  check_fields(exchange.trailers());
  asked->trailers = text_of(exchange.trailers());
  const auto again = co_await exchange.read_body(io::kNoDeadline);
  require(again && again->empty(), "nothing comes behind the end");
  if (asked->status == 101) (void)co_await exchange.finish({}, io::kNoDeadline);
}

inline io::Task<> ask(Asked* asked, std::unique_ptr<waypoint::ClientExchange> exchange,
                      http::RequestHead head) {
  co_await converse(asked, *exchange, head);
  exchange.reset();
  asked->ended = true;
}

struct NoOwner final : waypoint::ClientConnection::Owner {
  void connection_changed(waypoint::ClientConnection&) override {}
};

/// Of a connection's end, how far an answer came may differ, but not what came.
inline void compare(const Asked& a, const Asked& b) {
  if (a.status && b.status) {
    require(a.status == b.status && a.fields == b.fields, "an answer is the same");
    require(a.informational == b.informational, "and so are those before it");
  }
  if (a.whole && b.whole) {
    require(a.body == b.body && a.trailers == b.trailers, "a whole body is the same");
  }
  require(a.body.starts_with(b.body) || b.body.starts_with(a.body), "bytes are in their order");
}

}  // namespace culvert::fuzz
