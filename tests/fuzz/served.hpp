// A client's bytes into a connection of the waypoint that serves HTTP: it ends, whatever comes; no
// handler outlives it; what handlers see could not be read in two ways, and is the same however the
// bytes were cut. Shared by http1_served and http2_served.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "peer.hpp"
#include "waypoint/http/server.hpp"

namespace culvert::fuzz {

struct ServedRequest {
  std::string head;  // all of it
  std::string method, upgrade;
  std::string body;
  std::string trailers;
  bool whole = false;  // its end was seen
  bool operator==(const ServedRequest&) const = default;
};

struct Served {
  std::deque<ServedRequest> requests;
  std::vector<std::string> refused;
  std::string answers;  // all that was written
  int running = 0;
};

/// Answers every request with its own body; DELETE before its body has come.
class Answers final : public waypoint::Handler {
 public:
  explicit Answers(Served& served) : served_(served) {}
  io::Task<> serve(waypoint::ServerExchange& exchange) override {
    ++served_.running;
    auto& seen = served_.requests.emplace_back(describe(exchange.request()));
    const bool raw = !seen.upgrade.empty();
    const bool early = raw || seen.method == "DELETE";
    if (early) send_head(exchange, seen);
    const bool read = co_await read_body(exchange, seen);
    if (read && !early) {
      send_head(exchange, seen);
      (void)co_await exchange.write_body(bytes_of(seen.body), io::kNoDeadline);
    }
    if (read) (void)co_await exchange.finish(exchange.request_trailers(), io::kNoDeadline);
    --served_.running;
  }
  void refused(const http::Refusal& why) override {
    require(why.status >= 400 && why.status < 600 && why.text[0] != '\0', "a refusal has a reason");
    served_.refused.emplace_back(why.text);
  }

 private:
  static std::span<const std::uint8_t> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  static ServedRequest describe(const http::RequestHead& head) {
    check_fields(head.fields);
    require(head.path == "*" || head.path.starts_with('/'), "a path starts with a slash");
    for (const auto& text : {head.method, head.scheme, head.authority, head.path}) {
      require(std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7f; }),
              "no part of a request line has space or controls");
    }
    require(head.upgrade.empty() || !head.body.present, "an upgrade has no body");
    ServedRequest out{.method = head.method, .upgrade = head.upgrade};
    out.head = head.method + " " + head.scheme + " " + head.authority + " " + head.path + "\n" +
               text_of(head.fields);
    return out;
  }
  static void send_head(waypoint::ServerExchange& exchange, const ServedRequest& seen) {
    http::ResponseHead head;
    head.status = seen.upgrade.empty() ? 200 : 101;
    head.upgrade = seen.upgrade;
    head.body.present = seen.upgrade.empty();
    exchange.send_head(head, false);
  }
  static io::Task<bool> read_body(waypoint::ServerExchange& exchange, ServedRequest& seen) {
    while (true) {
      const auto part = co_await exchange.read_body(io::kNoDeadline);
      if (!part) co_return false;
      if (part->empty()) break;
      seen.body.append(fuzz::text_of(*part));
      if (seen.upgrade.empty()) continue;
      if (!co_await exchange.write_body(*part, io::kNoDeadline)) co_return false;
    }
    seen.whole = true;
    check_fields(exchange.request_trailers());
    seen.trailers = text_of(exchange.request_trailers());
    co_return true;
  }

  Served& served_;
};

inline io::Task<Served> serve(waypoint::HttpVersion version, Says says, std::size_t part,
                              Turns turns) {
  Served out;
  Answers handler(out);
  const waypoint::ServerOptions options;
  auto bytes = std::make_unique<Peer>(std::move(says), true, part, turns, out.answers);
  const auto connection =
      waypoint::ServerConnection::make(version, std::move(bytes), options, handler);
  (void)co_await connection->run();
  require(connection->active_requests() == 0, "no request outlives its connection");
  require(out.running == 0, "every handler ends");
  co_return out;
}

}  // namespace culvert::fuzz
