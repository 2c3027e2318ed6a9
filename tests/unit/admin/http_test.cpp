// The admin server and client against each other, and the server against hostile bytes.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "../temporary_folder.hpp"
#include "culvert/admin/http_client.hpp"
#include "culvert/admin/http_server.hpp"
#include "culvert/base/unix_socket.hpp"

using namespace culvert;
using namespace culvert::admin;
using namespace std::chrono_literals;
using culvert::testing::TemporaryFolder;

namespace {

std::vector<Route> echo_routes() {
  return {{"GET", "/ping", [](const Request&) { return Response{.body = "pong"}; }},
          {"POST", "/echo",
           [](const Request& r) {
             return Response{.status = 201, .body = r.body, .content_type = "text/plain"};
           }},
          {"DELETE", "/pods/*",
           [](const Request& r) { return Response{.body = r.rest + "?" + r.query.at("wait")}; }}};
}

std::string exchange_raw(const std::string& path, std::string_view bytes, std::size_t split) {
  const auto fd = connect_unix(path, SOCK_STREAM);
  REQUIRE(fd.has_value());
  (void)::send(fd->get(), bytes.data(), split, MSG_NOSIGNAL);
  if (split > 0 && split < bytes.size()) std::this_thread::sleep_for(1ms);
  (void)::send(fd->get(), bytes.data() + split, bytes.size() - split, MSG_NOSIGNAL);
  std::string out;
  char chunk[4096];
  while (true) {
    const ssize_t n = ::recv(fd->get(), chunk, sizeof chunk, 0);
    if (n <= 0) return out;
    out.append(chunk, static_cast<std::size_t>(n));
  }
}

struct Fixture {
  TemporaryFolder folder;
  std::string path = folder.path() + "/admin.sock";
  std::unique_ptr<HttpServer> server;
  explicit Fixture(std::vector<Route> routes = echo_routes(), ServerOptions options = {}) {
    auto made = HttpServer::on_unix_socket(path, std::move(routes), options);
    REQUIRE(made.has_value());
    server = std::move(*made);
  }
};

}  // namespace

TEST_CASE("a handler gets method, rest of path, query and body, and its answer arrives") {
  const Fixture f;
  const auto pong = call(f.path, "GET", "/ping", "", 30s);
  REQUIRE(pong.has_value());
  CHECK(pong->status == 200);
  CHECK(pong->body == "pong");
  CHECK(pong->content_type == "application/json");
  const auto echo = call(f.path, "POST", "/echo", "{\"a\":1}", 30s);
  CHECK(echo->status == 201);
  CHECK(echo->body == "{\"a\":1}");
  CHECK(echo->content_type == "text/plain");
  CHECK(call(f.path, "DELETE", "/pods/uid%201?wait=5&wait=6", "", 30s)->body == "uid 1?5");
}

TEST_CASE(
    "an unknown path gives 404 and a known one with another method 405, each saying what there "
    "is") {
  const Fixture f;
  const auto missing = call(f.path, "GET", "/nothing", "", 30s);
  CHECK(missing->status == 404);
  CHECK(missing->body.find("GET /ping") != std::string::npos);
  CHECK(call(f.path, "POST", "/ping", "", 30s)->status == 405);
}

TEST_CASE("a request split at every byte is the same request") {
  const Fixture f;
  const std::string request = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t split = 0; split <= request.size(); ++split) {
    const std::string answer = exchange_raw(f.path, request, split);
    CHECK(answer.starts_with("HTTP/1.1 201"));
    CHECK(answer.ends_with("\r\n\r\nabc"));
  }
}

TEST_CASE("a POST without a length has no body and is answered at once") {
  const Fixture f;
  const auto begin = std::chrono::steady_clock::now();
  CHECK(exchange_raw(f.path, "POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", 0)
            .starts_with("HTTP/1.1 201"));
  CHECK(std::chrono::steady_clock::now() - begin < 8s);
}

TEST_CASE(
    "a long answer is compressed for who takes gzip, a short one and a compressed one never") {
  const std::string text(5000, 'x');
  Fixture f({{"GET", "/long",
              [&](const Request&) {
                return Response{.body = text,
                                .content_type = "application/openmetrics-text",
                                .headers = {{"X-More", "yes"}}};
              }},
             {"GET", "/short", [](const Request&) { return Response{.body = "x"}; }},
             {"GET", "/packed", [&](const Request&) {
                return Response{.body = text, .content_type = "text/plain", .compressed = true};
              }}});
  const auto get = [&](const char* path, const std::string& accepted) {
    const std::string request = std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n" +
                                (accepted.empty() ? "" : "Accept-Encoding: " + accepted + "\r\n") +
                                "Connection: close\r\n\r\n";
    return exchange_raw(f.path, request, request.size());
  };
  const auto packed = [](const std::string& answer) {
    return answer.find("Content-Encoding: gzip") != std::string::npos && answer.size() < 1000;
  };
  for (const char* accepted : {"gzip", "br, gzip;q=0.5", "deflate , *", "gzip;q=1.0"}) {
    CAPTURE(accepted);
    CHECK(packed(get("/long", accepted)));
  }
  for (const char* accepted : {"", "br", "identity", "gzip;q=0", "gzip; q=0.0, br", "xgzip"}) {
    CAPTURE(accepted);
    const auto answer = get("/long", accepted);
    CHECK(answer.ends_with(text));
    CHECK(answer.find("Content-Encoding") == std::string::npos);
    CHECK(answer.find("Vary: Accept-Encoding") != std::string::npos);
    CHECK(answer.find("X-More: yes") != std::string::npos);
  }
  CHECK(get("/short", "gzip").ends_with("\r\n\r\nx"));
  CHECK(get("/packed", "gzip").ends_with(text));
}

TEST_CASE("a body of more than 1 MiB is refused, 1 MiB is not") {
  const Fixture f;
  CHECK(call(f.path, "POST", "/echo", std::string(kMaxBodyBytes, 'x'), 5s)->body.size() ==
        kMaxBodyBytes);
  const auto refused = call(f.path, "POST", "/echo", std::string(kMaxBodyBytes + 1, 'x'), 5s);
  CHECK((!refused.has_value() || refused->status == 413));
}

TEST_CASE("endless headers end at the bound") {
  const Fixture f;
  std::string request = "GET /ping HTTP/1.1\r\n";
  while (request.size() < kMaxHeadBytes + kMaxBodyBytes + 8192)
    request += "X: " + std::string(1000, 'y') + "\r\n";
  CHECK(exchange_raw(f.path, request, 0).find("200 OK") == std::string::npos);
}

TEST_CASE("bytes that are no HTTP are refused") {
  const Fixture f;
  CHECK(exchange_raw(f.path, "\x16\x03\x01\x02\r\n\r\n", 0).starts_with("HTTP/1.1 400"));
}

TEST_CASE("a client that sends nothing holds a thread for the timeout only") {
  const Fixture f(echo_routes(), {.threads = 1, .io_timeout = 100ms});
  const auto silent = connect_unix(f.path, SOCK_STREAM);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(call(f.path, "GET", "/ping", "", 5s)->body == "pong");
  CHECK(std::chrono::steady_clock::now() - begin < 8s);
}

TEST_CASE("a client that trickles bytes is cut at the timeout as a whole") {
  const Fixture f(echo_routes(), {.threads = 1, .io_timeout = 200ms});
  const auto fd = connect_unix(f.path, SOCK_STREAM);
  bool cut = false;
  for (int i = 0; i < 100 && !cut; ++i) {
    cut = ::send(fd->get(), "G", 1, MSG_NOSIGNAL) < 0;
    std::this_thread::sleep_for(20ms);
  }
  CHECK(cut);
}

TEST_CASE("the call as a whole has a timeout") {
  std::atomic<bool> release = false;
  const Fixture f({{"GET", "/slow", [&](const Request&) {
                      while (!release) std::this_thread::sleep_for(1ms);
                      return Response{};
                    }}});
  CHECK(call(f.path, "GET", "/slow", "", 50ms).error().code == ErrorCode::kTimeout);
  release = true;
}

TEST_CASE("stopping removes the socket and lets go of a connection that sends nothing") {
  Fixture f;
  const auto silent = connect_unix(f.path, SOCK_STREAM);
  CHECK(call(f.path, "GET", "/ping", "", 30s).has_value());
  const auto begin = std::chrono::steady_clock::now();
  f.server->stop();
  f.server->stop();
  CHECK(std::chrono::steady_clock::now() - begin < 8s);
  CHECK(call(f.path, "GET", "/ping", "", 30s).error().code == ErrorCode::kNotFound);
}

TEST_CASE(
    "a server that finishes answers what it has accepted; what comes then waits for another") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/admin.sock";
  auto listener = listen_unix(path, SOCK_STREAM, 8);
  REQUIRE(listener.has_value());
  std::atomic<bool> in_handler = false, go_on = false;
  const std::vector<Route> slow{{"GET", "/ping", [&](const Request&) {
                                   in_handler = true;
                                   while (!go_on) std::this_thread::sleep_for(1ms);
                                   return Response{.body = "pong"};
                                 }}};
  auto first = HttpServer::on_listener(UniqueFd(::dup(listener->get())), slow);
  REQUIRE(first.has_value());
  std::thread asking([&] { CHECK(call(path, "GET", "/ping", "", 20s)->body == "pong"); });
  while (!in_handler) std::this_thread::sleep_for(1ms);
  std::thread finishing([&] { (*first)->finish(); });
  go_on = true;
  finishing.join();
  asking.join();
  std::thread late([&] { CHECK(call(path, "GET", "/ping", "", 20s)->body == "pong"); });
  auto second = HttpServer::on_listener(std::move(*listener), slow);
  REQUIRE(second.has_value());
  late.join();
  (*second)->stop();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a TCP server on a free port says which, and answers") {
  auto server = HttpServer::on_address({IpAddress::v4(127, 0, 0, 1), 0}, echo_routes());
  REQUIRE(server.has_value());
  CHECK((*server)->port() != 0);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const UniqueFd owned(fd);
  sockaddr_storage to{};
  const socklen_t size =
      SocketAddress{IpAddress::v4(127, 0, 0, 1), (*server)->port()}.to_sockaddr(to);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), size) == 0);
  const std::string_view request = "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n";
  REQUIRE(::send(fd, request.data(), request.size(), 0) > 0);
  char answer[16] = {};
  CHECK(::recv(fd, answer, 15, 0) > 0);
  CHECK(std::string(answer).starts_with("HTTP/1.1 200"));
}

TEST_CASE("an error answer is JSON with the next step, whatever the text holds") {
  const Response r = error_response(409, "say \"no\" \xff", "do this");
  CHECK(r.status == 409);
  CHECK(r.body == "{\"error\":\"say \\\"no\\\" \xEF\xBF\xBD\",\"next\":\"do this\"}\n");
}
