// The C++ end of the tests against real gRPC, on a Unix socket: `xds_peer server PATH`, which takes
// commands on standard input, `xds_peer client PATH`, or `xds_peer certificate PATH IDENTITY`.
#include <fmt/format.h>
#include <sys/socket.h>

#include <cstring>
#include <sstream>

#include "culvert/base/log.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/xds/certificate_client.hpp"
#include "culvert/xds/client.hpp"
#include "culvert/xds/resources.hpp"
#include "culvert/xds/server.hpp"

using namespace culvert;
using io::Task;

namespace {

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

std::string type_url(std::string_view name) {
  return std::string(name == "address" ? xds::kAddressType : xds::kAuthorizationType);
}

class Signer final : public grpc::Method {
 public:
  Task<grpc::Status> serve(grpc::ServerCall& call) override {
    const auto message = co_await call.read();
    if (!message) co_return call.status();
    const auto request = xds::parse_certificate_request(*message);
    if (!request) co_return grpc::Status{grpc::StatusCode::kInvalidArgument, request.error().text};
    if (request->identity.empty()) {
      co_return grpc::Status{grpc::StatusCode::kPermissionDenied, "nobody was named"};
    }
    (void)co_await call.write(xds::serialize_chain({"leaf of " + request->identity, "root"}));
    co_return grpc::Status{};
  }
};

struct Service {
  xds::Server xds;
  Signer signer;
  grpc::Server grpc;
  io::Scope fibers;
};

Task<> accept_all(Service* service, int listener) {
  while (true) {
    auto accepted = co_await io::accept(listener);
    if (!accepted) co_return;
    service->fibers.spawn(
        [](Service* self, std::shared_ptr<UniqueFd> fd) -> Task<> {
          auto bytes = std::make_unique<io::FdStream>(std::move(*fd));
          (void)co_await self->grpc.serve(std::move(bytes), "node-1");
        },
        service, std::make_shared<UniqueFd>(std::move(accepted->fd)));
  }
}

// "set GENERATION address/NAME=CONTENT policy/NAME=CONTENT ..." or "status".
void obey(Service& service, const std::string& command) {
  std::istringstream words(command);
  std::string word;
  words >> word;
  if (word == "status") {
    for (const auto& [peer, node] : service.xds.nodes()) {
      say(fmt::format("{} {} {} {} {} {}", peer, node.connected ? "connected" : "away",
                      node.node_id, node.acked_generation, node.nacks, node.last_nack));
    }
    say("end");
    return;
  }
  auto set = std::make_shared<xds::ResourceSet>();
  words >> set->generation;
  while (words >> word) {
    const auto slash = word.find('/'), equals = word.find('=');
    const auto content = word.substr(equals + 1);
    set->types[type_url(word.substr(0, slash))][word.substr(slash + 1, equals - slash - 1)] = {
        "v-" + content, content};
  }
  service.xds.set_resources(set);
}

Task<> serve(std::string path) {
  auto listener = listen_unix(path, SOCK_STREAM, 16);
  if (!listener) std::exit(1);
  Service service;
  service.xds.add_to(service.grpc);
  service.grpc.add(xds::kCreateCertificateMethod, service.signer);
  service.fibers.spawn(accept_all, &service, listener->get());
  say("listening");
  std::string input;
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    const auto size = co_await io::read(STDIN_FILENO, buffer, io::kNoDeadline);
    if (!size || *size == 0) break;
    input.append(reinterpret_cast<const char*>(buffer.data()), *size);
    for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      obey(service, input.substr(0, end));
      input.erase(0, end + 1);
    }
  }
  service.fibers.request_stop();
  co_await service.fibers.join();
}

/// Prints what it is given; rejects "bad".
class Printer final : public xds::ResourceSink {
 public:
  std::vector<xds::Rejected> apply(std::string_view type_url, std::vector<xds::AddedResource> added,
                                   std::vector<std::string> removed) override {
    std::string line = type_url == xds::kAddressType ? "address" : "policy";
    std::vector<xds::Rejected> rejected;
    for (const auto& resource : added) {
      if (resource.bytes == "bad") {
        rejected.push_back({resource.name, "it is bad"});
      } else {
        line += fmt::format(" +{}={}", resource.name, resource.bytes);
      }
    }
    for (const auto& name : removed) line += " -" + name;
    say(line);
    return rejected;
  }
};

Task<> subscribe(std::string path) {
  grpc::UnixConnector connector(path);
  Printer printer;
  xds::ClientOptions options;
  options.node = {"ztunnel~10.0.0.1~z.istio-system~istio-system.svc.cluster.local",
                  "",
                  {{"NODE_NAME", "node-1"}}};
  options.type_urls = {std::string(xds::kAddressType), std::string(xds::kAuthorizationType)};
  xds::Client client(connector, options, printer);
  co_await client.run();
}

Task<> certify(std::string path, std::string identity) {
  grpc::UnixConnector connector(path);
  xds::CertificateClient client(connector);
  const auto chain = co_await client.create({"CSR", std::chrono::hours(24), identity});
  say(chain ? fmt::format("{}", fmt::join(*chain, ", ")) : chain.error().to_string());
  co_await client.close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  auto loop = io::Loop::create();
  if (!loop) return 1;
  io::Loop* raw = loop->get();
  raw->post([raw, argc, argv] {
    raw->root().spawn(
        [](io::Loop* self, int n, char** args) -> Task<> {
          if (std::strcmp(args[1], "server") == 0) co_await serve(args[2]);
          if (std::strcmp(args[1], "client") == 0) co_await subscribe(args[2]);
          if (std::strcmp(args[1], "certificate") == 0 && n > 3) co_await certify(args[2], args[3]);
          self->stop();
        },
        raw, argc, argv);
  });
  raw->run();
}
