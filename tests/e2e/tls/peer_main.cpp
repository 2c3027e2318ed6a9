// lib/tls behind a command line, for the tests with other TLS libraries:
//   tls_peer server DIR RECORDS       echoes each connection until the peer's end; prints its port
//   tls_peer client DIR RECORDS PORT BYTES   sends a pattern, ends, and expects it all back
// DIR has cert.pem, key.pem and root.pem; RECORDS is own or openssl. The peer must be PEER_ID.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/tls/stream.hpp"

using namespace culvert;
using io::Task;

namespace {

constexpr char kPeerId[] = "spiffe://cluster.local/ns/shop/sa/db";
constexpr std::chrono::seconds kPatience{20};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<tls::Context> make_context(tls::Role role, const std::string& dir, tls::Records records) {
  return tls::Context::create(role,
                              {.certificate_chain = read_file(dir + "/cert.pem"),
                               .private_key = read_file(dir + "/key.pem"),
                               .trusted_roots = read_file(dir + "/root.pem")},
                              records);
}

int say(const Result<void>& result, std::string_view what) {
  fmt::print("{}: {}\n", what, result ? "in order" : result.error().to_string());
  std::fflush(stdout);
  return result ? 0 : 1;
}

Task<Result<void>> echo(tls::Stream* stream) {
  if (auto shaken = co_await stream->handshake(io::in(kPatience)); !shaken) co_return shaken;
  while (true) {
    const auto part = co_await stream->read(io::in(kPatience));
    if (!part) co_return std::unexpected(part.error());
    if (part->empty()) break;
    if (auto sent = co_await stream->write(*part, io::in(kPatience)); !sent) co_return sent;
  }
  co_await stream->finish(io::in(kPatience));
  co_return Result<void>();
}

Task<> serve(int listener, const tls::Context* context) {
  while (true) {
    auto accepted = co_await io::accept(listener);
    if (!accepted) co_return;
    tls::Stream stream(std::move(accepted->fd), *tls::Session::server(*context));
    say(co_await echo(&stream), "echoed");
  }
}

std::uint8_t pattern(std::size_t at) {
  return static_cast<std::uint8_t>(at * 31 >> 3);
}

// Sends beside the reader, as a tunnel does.
Task<> send_pattern(tls::Stream* stream, std::size_t bytes, Result<void>* result) {
  std::string block;
  for (std::size_t at = 0; at < bytes && *result; at += block.size()) {
    block.clear();
    for (std::size_t i = at; i < bytes && block.size() < 50'000; ++i) {
      block += static_cast<char>(pattern(i));
    }
    *result = co_await stream->write(
        {reinterpret_cast<const std::uint8_t*>(block.data()), block.size()}, io::in(kPatience));
  }
  co_await stream->finish(io::in(kPatience));
}

Task<Result<void>> receive_pattern(tls::Stream* stream, std::size_t bytes) {
  std::size_t got = 0;
  while (got < bytes) {
    const auto part = co_await stream->read(io::in(kPatience));
    if (!part) co_return std::unexpected(part.error());
    if (part->empty()) co_return fail(ErrorCode::kReset, "the echo ended early");
    for (const std::uint8_t byte : *part) {
      if (byte != pattern(got++)) co_return fail(ErrorCode::kProtocol, "the echo is not the same");
    }
  }
  co_return Result<void>();
}

Task<Result<void>> call(tls::Stream* stream, std::size_t bytes) {
  if (auto shaken = co_await stream->handshake(io::in(kPatience)); !shaken) co_return shaken;
  Result<void> sent;
  io::Scope sender;
  sender.spawn(send_pattern, stream, bytes, &sent);
  auto received = co_await receive_pattern(stream, bytes);
  if (!received) sender.request_stop();
  co_await sender.join();
  co_return received ? sent : received;
}

Task<> run_client(std::uint16_t port, std::size_t bytes, const tls::Context* context, int* status) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress to{*IpAddress::parse("127.0.0.1"), port};
  auto done = co_await io::connect(fd.get(), to, io::in(kPatience));
  if (done) {
    tls::Stream stream(std::move(fd), *tls::Session::client(*context, {.identities = {kPeerId}}));
    done = co_await call(&stream, bytes);
  }
  *status = say(done, "called");
  io::Loop::current().stop();
}

UniqueFd listen_on_loopback() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    return {};
  }
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  fmt::print("port {}\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

std::size_t number(const char* text) {
  std::size_t out = 0;
  std::from_chars(text, text + std::char_traits<char>::length(text), out);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const bool client = argc == 6 && std::string_view(argv[1]) == "client";
  if (!client && !(argc == 4 && std::string_view(argv[1]) == "server")) return 2;
  const auto records =
      std::string_view(argv[3]) == "openssl" ? tls::Records::kOpenssl : tls::Records::kOwn;
  const auto context =
      make_context(client ? tls::Role::kClient : tls::Role::kServer, argv[2], records);
  if (!context) {
    fmt::print("{}\n", context.error().to_string());
    return 2;
  }
  auto loop = io::Loop::create();
  if (!loop) return 2;
  int status = 0;
  UniqueFd listener;
  if (!client) listener = listen_on_loopback();
  if (!client && !listener.valid()) return 2;
  (*loop)->post([&] {
    auto& root = (*loop)->root();
    if (client) {
      root.spawn(run_client, static_cast<std::uint16_t>(number(argv[4])), number(argv[5]),
                 &*context, &status);
    } else {
      root.spawn(serve, listener.get(), &*context);
    }
  });
  (*loop)->run();
  return status;
}
