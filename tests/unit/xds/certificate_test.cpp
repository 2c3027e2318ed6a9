// The certificate service's client: the chain, the server's refusal, deadlines, and one connection.
#include <doctest/doctest.h>

#include "citadel.pb.h"
#include "culvert/xds/certificate_client.hpp"
#include "served.hpp"

using namespace culvert;
using namespace culvert::xds;
using namespace culvert::xds::testing;
using grpc::StatusCode;

namespace {

/// Signs for those whom it knows; hangs for "slow", answers "empty" with no chain.
class Signer final : public grpc::Method {
 public:
  Task<grpc::Status> serve(grpc::ServerCall& call) override {
    const auto message = co_await call.read();
    if (!message) co_return call.status();
    const auto request = parse_certificate_request(*message);
    if (!request) co_return grpc::Status{StatusCode::kInvalidArgument, request.error().text};
    last = *request;
    if (request->identity == "slow") co_await io::sleep_until(io::in(seconds(5)));
    if (request->identity == "unknown")
      co_return grpc::Status{StatusCode::kPermissionDenied, "no such pod here"};
    std::vector<std::string> chain;
    if (request->identity != "empty") chain = {"leaf of " + request->csr_pem, "root"};
    if (request->identity == "endless") chain.resize(kMaxChainCertificates + 1);
    (void)co_await call.write(serialize_chain(chain));
    co_return grpc::Status{};
  }
  CertificateRequest last;
};

struct World {
  Signer signer;
  Served served;
  CertificateClient client{served};
  World() { served.server.add(kCreateCertificateMethod, signer); }
  Task<> stop() {
    co_await client.close();
    co_await served.stop();
  }
};

CertificateRequest asked_by(std::string identity) {
  return {"CSR", std::chrono::hours(24), std::move(identity)};
}

}  // namespace

TEST_CASE("a request names the identity and gets the chain; the connection is kept") {
  run_loop([]() -> Task<> {
    World w;
    for (int i = 0; i < 3; ++i) {
      const auto chain = co_await w.client.create(asked_by("spiffe://td/ns/a/sa/b"));
      REQUIRE(chain.has_value());
      CHECK(*chain == std::vector<std::string>{"leaf of CSR", "root"});
    }
    CHECK(w.signer.last.identity == "spiffe://td/ns/a/sa/b");
    CHECK(w.signer.last.validity == std::chrono::hours(24));
    CHECK(w.served.connects == 1);
    co_await w.stop();
  });
}

TEST_CASE("a refusal carries the server's words") {
  run_loop([]() -> Task<> {
    World w;
    const auto refused = co_await w.client.create(asked_by("unknown"));
    REQUIRE(!refused.has_value());
    CHECK(refused.error().to_string() == "PERMISSION_DENIED: no such pod here");
    co_await w.stop();
  });
}

TEST_CASE("no server, a slow one, and one that answers nonsense are errors in time") {
  run_loop([]() -> Task<> {
    World w;
    const auto slow = co_await w.client.create(asked_by("slow"), milliseconds(50));
    CHECK(slow.error().code == StatusCode::kDeadlineExceeded);
    CHECK((co_await w.client.create(asked_by("empty"))).error().message ==
          "certificate response without a chain");
    CHECK((co_await w.client.create(asked_by("endless"))).error().message ==
          "certificate chain too long");
    w.served.away = true;
    w.served.cut();
    co_await settle();
    CHECK((co_await w.client.create(asked_by("a"))).error().code == StatusCode::kUnavailable);
    w.served.away = false;
    CHECK((co_await w.client.create(asked_by("a"))).has_value());
    co_await w.stop();
  });
}

TEST_CASE("the identity travels in metadata under Istio's name") {
  istio::v1::auth::IstioCertificateRequest wire;
  REQUIRE(wire.ParseFromString(serialize(asked_by("spiffe://x"))));
  CHECK(wire.csr() == "CSR");
  CHECK(wire.validity_duration() == 86400);
  CHECK(wire.metadata().fields().at("ImpersonatedIdentity").string_value() == "spiffe://x");
  CHECK(parse_certificate_request("\xff").error().code == ErrorCode::kProtocol);
  CHECK(parse_chain("\xff").error().code == ErrorCode::kProtocol);
  const auto anonymous = parse_certificate_request(serialize(CertificateRequest{"c", {}, ""}));
  CHECK(anonymous->identity.empty());
}
