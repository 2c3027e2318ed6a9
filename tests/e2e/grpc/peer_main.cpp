// The C++ end of the tests against real gRPC: `peer server TARGET` or `peer client TARGET CASE`.
// TARGET is unix:PATH or 127.0.0.1:PORT. Single thread.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "culvert/grpc/server.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"

using namespace culvert;
using grpc::ServerCall;
using grpc::Status;
using grpc::StatusCode;
using io::Task;

namespace {

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Echo final : public grpc::Method {
 public:
  Task<Status> serve(ServerCall& call) override {
    while (auto message = co_await call.read()) {
      if (!co_await call.write(*message)) break;
    }
    // What the tests ask afterwards: how the last call ended at this end.
    fmt::print("echo ended: {}\n", call.status().to_string());
    std::fflush(stdout);
    co_return call.status();
  }
};

/// The request is "CODE MESSAGE": fails so, after one message when the code has a leading '+'.
class Fail final : public grpc::Method {
 public:
  Task<Status> serve(ServerCall& call) override {
    const auto request = co_await call.read();
    if (!request) co_return call.status();
    std::string_view text = *request;
    if (text.starts_with('+')) {
      text.remove_prefix(1);
      (void)co_await call.write("partial");
    }
    const auto space = text.find(' ');
    co_return Status{grpc::parse_status_code(text.substr(0, space)),
                     std::string(text.substr(space + 1))};
  }
};

/// Answers a number N with N bytes, and "who" with metadata and peer.
class Tell final : public grpc::Method {
 public:
  Task<Status> serve(ServerCall& call) override {
    const auto request = co_await call.read();
    if (!request) co_return call.status();
    if (*request == "who") {
      const auto* token = h2::find(call.metadata(), "x-token");
      (void)co_await call.write(
          fmt::format("{} {} {}", call.peer(), token != nullptr ? *token : "none",
                      call.deadline() == io::kNoDeadline ? "forever" : "bounded"));
    } else {
      (void)co_await call.write(std::string(number(*request), 'x'));
    }
    co_return Status{};
  }
};

class Hang final : public grpc::Method {
 public:
  Task<Status> serve(ServerCall& call) override {
    (void)co_await call.read();
    while (co_await call.read()) {
    }
    io::Event never;
    (void)co_await never.wait(call.deadline());
    co_return Status{StatusCode::kDeadlineExceeded, "hung"};
  }
};

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
  int family = 0;
};

Target parse_target(std::string_view text) {
  Target target;
  if (text.starts_with("unix:")) {
    auto* address = reinterpret_cast<sockaddr_un*>(&target.address);
    address->sun_family = AF_UNIX;
    text.substr(5).copy(address->sun_path, sizeof address->sun_path - 1);
    target.size = sizeof *address;
    target.family = AF_UNIX;
    return target;
  }
  const auto address = SocketAddress::parse(text);
  if (!address) std::exit(2);
  target.size = address->to_sockaddr(target.address);
  target.family = address->family();
  return target;
}

struct Methods {
  Echo echo;
  Fail fail;
  Tell tell;
  Hang hang;
  grpc::Server server;
  io::Scope connections;
};

Task<> serve_connection(Methods* methods, std::shared_ptr<UniqueFd> fd) {
  (void)co_await methods->server.serve(std::make_unique<io::FdStream>(std::move(*fd)), "somebody");
}

Task<> serve(std::string_view text) {
  const Target target = parse_target(text);
  UniqueFd listener(::socket(target.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&target.address), target.size) !=
          0 ||
      ::listen(listener.get(), 64) != 0) {
    std::perror("peer: listen");
    std::exit(1);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  const auto address = SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&bound));
  fmt::print("listening {}\n", address ? address->port : 0);
  std::fflush(stdout);
  Methods methods;
  constexpr std::size_t kBig = 64U << 20;
  methods.server.add("/test.T/Echo", methods.echo, kBig);
  methods.server.add("/test.T/Fail", methods.fail);
  methods.server.add("/test.T/Tell", methods.tell);
  methods.server.add("/test.T/Hang", methods.hang);
  while (true) {
    auto accepted = co_await io::accept(listener.get());
    if (!accepted) break;
    methods.connections.spawn(serve_connection, &methods,
                              std::make_shared<UniqueFd>(std::move(accepted->fd)));
  }
  methods.connections.request_stop();
  co_await methods.connections.join();
}

void print(const std::expected<std::string, Status>& answer) {
  if (answer) {
    fmt::print("OK {} {}\n", answer->size(), answer->substr(0, 40));
  } else {
    fmt::print("{}\n", answer.error().to_string());
  }
}

grpc::CallOptions options() {
  grpc::CallOptions out;
  out.deadline = io::in(std::chrono::seconds(20));
  out.metadata = {{"x-token", "abc"}};
  out.max_message_bytes = 64U << 20;
  return out;
}

Task<> bidi(h2::Connection& connection) {
  auto call = grpc::ClientCall::start(connection, "/test.T/Echo", options());
  for (int i = 0; i < 100; ++i) {
    const std::string sent(static_cast<std::size_t>(i) * 1000, 'y');
    if (!co_await call->write(sent) || co_await call->read() != sent) {
      fmt::print("differs at {}\n", i);
      co_return;
    }
  }
  call->finish_writing();
  const bool more = (co_await call->read()).has_value();
  fmt::print("bidi {} {}\n", more ? "goes on" : "ended", call->status().to_string());
}

Task<> run_case(h2::Connection& connection, std::string name) {
  auto brief = options();
  brief.deadline = io::in(std::chrono::milliseconds(200));
  if (name == "unary") print(co_await grpc::unary(connection, "/test.T/Tell", "who", options()));
  if (name == "big") {
    print(co_await grpc::unary(connection, "/test.T/Echo", std::string(20U << 20, 'z'), options()));
  }
  if (name == "fail")
    print(co_await grpc::unary(connection, "/test.T/Fail", "7 not \xc3\xa9 you%", options()));
  if (name == "missing") print(co_await grpc::unary(connection, "/test.T/None", "", options()));
  if (name == "hang") print(co_await grpc::unary(connection, "/test.T/Hang", "", brief));
  if (name == "bidi") co_await bidi(connection);
  if (name == "cancel") {
    auto call = grpc::ClientCall::start(connection, "/test.T/Echo", options());
    (void)co_await call->write("x");
    (void)co_await call->read();
    call->cancel();
    (void)co_await io::sleep_until(io::in(std::chrono::milliseconds(200)));
    fmt::print("{}\n", call->status().to_string());
  }
}

Task<> run_client(std::string_view text, std::string name) {
  const Target target = parse_target(text);
  int fd = ::socket(target.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target.address), target.size) != 0) {
    std::perror("peer: connect");
    std::exit(1);
  }
  auto connection =
      h2::Connection::client(std::make_unique<io::FdStream>(UniqueFd(fd)), h2::Options::client());
  io::Scope scope;
  scope.spawn([](h2::Connection* c) -> Task<> { (void)co_await c->run(); }, connection.get());
  co_await run_case(*connection, std::move(name));
  connection->drain();
  co_await scope.join();
}

io::Loop* g_loop = nullptr;

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  auto loop = io::Loop::create();
  if (!loop) return 1;
  g_loop = loop->get();
  g_loop->post([argc, argv] {
    g_loop->root().spawn(
        [](int n, char** args) -> Task<> {
          if (std::strcmp(args[1], "server") == 0) co_await serve(args[2]);
          if (std::strcmp(args[1], "client") == 0 && n > 3) co_await run_client(args[2], args[3]);
          g_loop->stop();
        },
        argc, argv);
  });
  g_loop->run();
}
