// An HTTP/2 server without TLS for the tests with real clients: `h2_server 127.0.0.1:0`. GET /N
// gives N bytes, POST gives the number of bytes received, /trailers ends with trailers, /reset
// resets, /hints sends 103 first, /mirror gives the request's head and trailers as text. Single
// thread.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

#include "culvert/h2/connection.hpp"
#include "culvert/h2/http.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"

using namespace culvert;
using io::Task;

namespace {

constexpr std::chrono::seconds kPatience{20};

Task<> send_bytes(h2::Stream& stream, std::size_t count) {
  const std::string block(50'000, 'x');
  while (count > 0) {
    const std::size_t part = std::min(count, block.size());
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(block.data()), part);
    if (!co_await stream.write(bytes, io::in(kPatience))) co_return;
    count -= part;
  }
  (void)stream.finish();
}

Task<> count_bytes(h2::Stream& stream) {
  std::size_t count = 0;
  while (true) {
    const auto part = co_await stream.read(io::in(kPatience));
    if (!part) co_return;
    if (part->empty()) break;
    count += part->size();
  }
  const std::string text = fmt::format("{}\n", count);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  (void)co_await stream.write(bytes, io::in(kPatience));
  (void)stream.finish();
}

void append_fields(std::string& out, const http::Fields& fields) {
  for (const http::Field field : fields) out += fmt::format("{}: {}\n", field.name, field.value);
}

Task<> mirror(h2::Stream& stream, const http::RequestHead& head) {
  std::string text =
      fmt::format("{} {}://{} {}\n", head.method, head.scheme, head.authority, head.path);
  append_fields(text, head.fields);
  while (true) {
    const auto part = co_await stream.read(io::in(kPatience));
    if (!part) co_return;
    if (part->empty()) break;
  }
  if (const auto trailers = h2::trailer_fields(stream)) append_fields(text += "--\n", *trailers);
  http::ResponseHead response;
  response.status = 200;
  response.body = {.present = head.method != "HEAD", .length = text.size()};
  if (!h2::send_head(stream, response, !response.body.present)) co_return;
  if (!response.body.present) co_return;
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  (void)co_await stream.write(bytes, io::in(kPatience));
  (void)stream.finish();
}

Task<> answer(h2::Stream stream) {
  const auto head = h2::request_head(stream);
  if (!head) {
    http::ResponseHead refused;
    refused.status = head.error().status;
    (void)h2::send_head(stream, refused, true);
    co_return;
  }
  const std::string& path = head->path;
  if (path == "/reset") co_return;
  if (path == "/mirror") co_return co_await mirror(stream, *head);
  if (path == "/hints") {
    http::ResponseHead hints;
    hints.status = 103;
    (void)hints.fields.add("link", "</a.css>");
    (void)h2::send_head(stream, hints, false);
  }
  (void)stream.send_headers({{":status", "200"}}, false);
  if (path == "/trailers") {
    (void)stream.send_trailers({{"x-end", "here"}});
    co_return;
  }
  if (head->method == "POST") co_return co_await count_bytes(stream);
  std::size_t count = 0;
  std::from_chars(path.data() + 1, path.data() + path.size(), count);
  co_await send_bytes(stream, count);
}

Task<> serve(std::shared_ptr<UniqueFd> fd) {
  io::Scope streams;
  auto connection = h2::Connection::server(
      std::make_unique<io::FdStream>(std::move(*fd)), h2::Options::server(),
      [&streams](h2::Stream stream) { streams.spawn(answer, std::move(stream)); });
  const auto ended = co_await connection->run();
  streams.request_stop();
  co_await streams.join();
  fmt::print("ended: {}\n", ended ? "in order" : ended.error().to_string());
  std::fflush(stdout);
}

Task<> listen_on(int listener) {
  io::Scope connections;
  while (true) {
    auto accepted = co_await io::accept(listener);
    if (!accepted) break;
    connections.spawn(serve, std::make_shared<UniqueFd>(std::move(accepted->fd)));
  }
  connections.request_stop();
  co_await connections.join();
}

}  // namespace

int main(int argc, char** argv) {
  const auto address = argc > 1 ? SocketAddress::parse(argv[1]) : std::nullopt;
  auto loop = io::Loop::create();
  if (!address || !loop) return 2;
  sockaddr_storage storage{};
  socklen_t size = address->to_sockaddr(storage);
  const UniqueFd listener(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto* raw = reinterpret_cast<sockaddr*>(&storage);
  if (::bind(listener.get(), raw, size) != 0 || ::listen(listener.get(), 64) != 0) return 1;
  size = sizeof storage;
  ::getsockname(listener.get(), raw, &size);
  fmt::print("listening {}\n", SocketAddress::from_sockaddr(raw)->port);
  std::fflush(stdout);
  io::Loop* running = loop->get();
  running->post([running, fd = listener.get()] { running->root().spawn(listen_on, fd); });
  running->run();
}
