// An HTTP/2 client without TLS for the tests with real servers: `h2_client 127.0.0.1:80 METHOD PATH
// [BODY_BYTES]` prints the answer's status, its fields, and how many bytes its body has. Single
// thread.
#include <fmt/format.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "culvert/h2/connection.hpp"
#include "culvert/h2/http.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"

using namespace culvert;
using io::Task;

namespace {

constexpr std::chrono::seconds kPatience{20};

struct Asked {
  SocketAddress server;
  http::RequestHead head;
  std::size_t body_bytes = 0;
};

// A server may answer before it has all of it, and stop us (RFC 9113 section 8.1): no failure.
Task<> send_body(h2::Stream& stream, std::size_t count) {
  const std::vector<std::uint8_t> bytes(count, 'y');
  if (count > 0 && !co_await stream.write(bytes, io::in(kPatience))) co_return;
  (void)h2::finish(stream, {});
}

Task<bool> exchange(h2::Connection& connection, const Asked& asked) {
  auto stream = h2::open(connection, asked.head);
  if (!stream) co_return false;
  if (asked.head.body.present) co_await send_body(*stream, asked.body_bytes);
  const auto block = co_await stream->response(io::in(kPatience));
  if (!block) co_return false;
  const auto head =
      h2::response_head(**block, stream->ended_without_body(), asked.head.method == "HEAD");
  if (!head) co_return false;
  std::size_t received = 0;
  while (true) {
    const auto part = co_await stream->read(io::in(kPatience));
    if (!part) co_return false;
    if (part->empty()) break;
    received += part->size();
  }
  fmt::print("{}\n", head->status);
  for (const http::Field field : head->fields) fmt::print("{}: {}\n", field.name, field.value);
  if (head->body.length) fmt::print("announced {}\n", *head->body.length);
  fmt::print("received {}\n", received);
  co_return true;
}

Task<> ask(const Asked* asked, int* status) {
  UniqueFd fd(::socket(asked->server.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!co_await io::connect(fd.get(), asked->server, io::in(kPatience))) co_return;
  auto connection =
      h2::Connection::client(std::make_unique<io::FdStream>(std::move(fd)), h2::Options::client());
  io::Scope running;
  running.spawn([](h2::Connection* c) -> Task<> { (void)co_await c->run(); }, connection.get());
  if (co_await exchange(*connection, *asked)) *status = 0;
  connection->drain();
  co_await running.join();
  io::Loop::current().stop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto server = argc > 3 ? SocketAddress::parse(argv[1]) : std::nullopt;
  auto loop = io::Loop::create();
  if (!server || !loop) return 2;
  Asked asked{.server = *server};
  asked.head.method = argv[2];
  asked.head.scheme = "http";
  asked.head.authority = argv[1];
  asked.head.path = argv[3];
  if (argc > 4) {
    const std::string_view count(argv[4]);
    std::from_chars(count.data(), count.data() + count.size(), asked.body_bytes);
    asked.head.body = {.present = true, .length = asked.body_bytes};
  }
  int status = 1;
  io::Loop* running = loop->get();
  running->post([running, &asked, &status] { running->root().spawn(ask, &asked, &status); });
  running->run();
  return status;
}
