// culvert-bench: the origin and the load generators of ./dev bench. One load a run, results as
// JSON.
#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "bench/clients.hpp"
#include "bench/server.hpp"

namespace {

constexpr const char* kFooter = R"(
Every client compares what it receives, and the origin what it is sent; a byte that differs ends the
run with exit status 3. Exit status 1: connections or requests failed ("failures" says which).

Examples:
  culvert-bench serve 8080
  culvert-bench bulk 10.244.1.2:8080 --streams 8 --seconds 5
  culvert-bench bulk 10.244.1.2:8080 --down --bytes 268435456 --every-byte
  culvert-bench requests 10.244.1.2:8080 --connections 32
  culvert-bench requests 10.244.1.2:8080 --connections 32 --rate 5000
  culvert-bench requests 10.244.1.2:8080 --connections 4 --streams 8 --grpc
  culvert-bench connects 10.244.1.2:8080 --concurrency 32
  printf 'open 1000\nask\nclose\n' | culvert-bench hold 10.244.1.2:8080
  sleep 10 | culvert-bench watch 10.244.1.2:8080)";

constexpr unsigned kConnectionsMax = 10'000;
constexpr unsigned kStreamsMax = 1024;

// The options and subcommands, as CLI11 fills them in.
struct Flags {
  std::string target;
  std::uint16_t port = 0;
  culvert::bench::Target to;
  culvert::bench::BulkOptions bulk;
  culvert::bench::RequestOptions requests;
  culvert::bench::ConnectOptions connects;
};

CLI::App* client(CLI::App& cli, Flags& flags, const char* name, const char* what) {
  CLI::App* out = cli.add_subcommand(name, what);
  out->add_option("target", flags.target, "address and port of the origin")
      ->required()
      ->check([](const std::string& text) {
        return culvert::SocketAddress::parse(text) ? "" : "not an address and port: " + text;
      });
  out->add_option("--answer-bytes", flags.to.answer_bytes, "of each answer")->capture_default_str();
  out->add_option("--authority", flags.to.authority, "the host that requests name")
      ->capture_default_str();
  out->add_flag("--proxied", flags.to.proxied,
                "an HTTP proxy is on the way: of heads, status and length are compared");
  return out;
}

void times(CLI::App* to, double& seconds, double& warm_up) {
  to->add_option("--seconds", seconds)->check(CLI::Range(0.0, 3600.0))->capture_default_str();
  to->add_option("--warm-up", warm_up, "seconds before that, not counted")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace culvert;
  Flags flags;
  CLI::App cli{"The origin and the load generators of ./dev bench.", "culvert-bench"};
  cli.footer(kFooter);
  cli.require_subcommand(1);
  auto* serve = cli.add_subcommand(
      "serve", "the origin of HTTP/1.1 and HTTP/2: answers and checks, on one thread");
  serve->add_option("port", flags.port)->required();
  auto* bulk = client(cli, flags, "bulk", "bytes in bulk, up unless --down");
  bulk->add_option("--streams", flags.bulk.streams)
      ->check(CLI::Range(1U, 256U))
      ->capture_default_str();
  bulk->add_option("--seconds", flags.bulk.seconds, "of sending; 0: until --bytes")
      ->capture_default_str();
  bulk->add_option("--bytes", flags.bulk.bytes, "a stream; 0: until --seconds");
  bulk->add_flag("--down", flags.bulk.download, "the origin sends; needs --bytes");
  bulk->add_flag("--every-byte", flags.bulk.every_byte, "compare all of a download, not a sample");
  auto* requests = client(cli, flags, "requests", "requests over kept connections");
  requests->add_option("--connections", flags.requests.connections)
      ->check(CLI::Range(1U, kConnectionsMax))
      ->capture_default_str();
  requests->add_option("--rate", flags.requests.rate, "requests a second; 0: as fast as answered")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  requests->add_option("--burst", flags.requests.burst, "at a rate: so many at the same moment")
      ->check(CLI::Range(1U, kConnectionsMax))
      ->capture_default_str();
  requests
      ->add_option("--streams", flags.requests.streams,
                   "HTTP/2, with so many requests at once on each connection; 0: HTTP/1.1")
      ->check(CLI::Range(0U, kStreamsMax))
      ->capture_default_str();
  requests->add_flag("--grpc", flags.requests.grpc, "unary gRPC calls; needs --streams");
  times(requests, flags.requests.seconds, flags.requests.warm_up);
  auto* connects = client(cli, flags, "connects", "connect, one request, the origin closes, again");
  connects->add_option("--concurrency", flags.connects.concurrency)
      ->check(CLI::Range(1U, kConnectionsMax))
      ->capture_default_str();
  times(connects, flags.connects.seconds, flags.connects.warm_up);
  auto* hold = client(cli, flags, "hold", "idle connections, by words on standard input");
  auto* watch = client(cli, flags, "watch", "when new connections begin or cease to be answered");
  CLI11_PARSE(cli, argc, argv);

  bench::prepare_process();
  if (serve->parsed()) bench::serve(flags.port);
  flags.to.address = *SocketAddress::parse(flags.target);
  if (bulk->parsed()) return bench::run_bulk(flags.to, flags.bulk);
  if (requests->parsed() && flags.requests.streams > 0)
    return bench::run_h2_requests(flags.to, flags.requests);
  if (requests->parsed()) return bench::run_requests(flags.to, flags.requests);
  if (connects->parsed()) return bench::run_connects(flags.to, flags.connects);
  if (hold->parsed()) return bench::run_hold(flags.to);
  return watch->parsed() ? bench::run_watch(flags.to) : 2;
}
