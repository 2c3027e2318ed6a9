// The certificate service's messages, both ways, and signing for the identity and the lifetime that
// a request names: who is signed for has exactly that name, and not for longer than a day. Input: a
// byte that chooses the message, then its bytes.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <filesystem>

#include "culvert/certs/certificate_authority.hpp"
#include "culvert/certs/describe.hpp"
#include "culvert/certs/signing_request.hpp"
#include "culvert/tls/spiffe_id.hpp"
#include "culvert/xds/certificate_messages.hpp"
#include "culvert/xds/limits.hpp"
#include "peer_check.hpp"
#include "pem.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

const certs::CertificateAuthority& authority() {
  static const certs::CertificateAuthority one = [] {
    auto folder = (std::filesystem::temp_directory_path() / "culvert-fuzz-XXXXXX").string();
    require(::mkdtemp(folder.data()) != nullptr, "a folder is made");
    auto made = certs::CertificateAuthority::open(folder, "cluster.local");
    std::filesystem::remove_all(folder);
    require(made.has_value(), "a CA is made");
    return std::move(*made);
  }();
  return one;
}

const std::string& good_request() {
  static const std::string one = [] {
    auto made = certs::make_signing_request("spiffe://cluster.local/ns/shop/sa/web");
    require(made.has_value(), "a request is made");
    return made->request;
  }();
  return one;
}

void check_signed(const std::string& pem, const std::string& identity) {
  const auto facts = certs::describe(pem);
  require(facts && facts->size() == 1, "a leaf is one certificate");
  const auto longest = certs::kDefaultLifetime + certs::kNotBeforeSkew;
  require(facts->front().not_after - facts->front().not_before <= longest, "a day at most");
  const auto certificates = tls::read_certificates(pem);
  require(certificates && certificates->size() == 1, "it can be read");
  const auto san = tls::spiffe_san(*certificates->front());
  require(san && *san == identity, "it has the name that was ordered, and no other");
}

void check_request(std::string_view wire) {
  const auto request = xds::parse_certificate_request(wire);
  if (!request) return;
  const auto again = xds::parse_certificate_request(xds::serialize(*request));
  require(again && again->csr_pem == request->csr_pem && again->identity == request->identity &&
              again->validity == request->validity,
          "what was sent is read as it was");
  const auto theirs = authority().sign(request->csr_pem, request->identity, request->validity);
  if (theirs) check_signed(theirs->front(), request->identity);
  if (request->validity < std::chrono::seconds(0)) return;  // refused before: judge_request()
  const auto ours = authority().sign(good_request(), request->identity, request->validity);
  if (!ours) return;
  require(tls::SpiffeId::parse(request->identity).has_value(), "only workloads are signed for");
  check_signed(ours->front(), request->identity);
}

void check_chain(std::string_view wire) {
  const auto chain = xds::parse_chain(wire);
  if (!chain) return;
  require(!chain->empty() && chain->size() <= xds::kMaxChainCertificates, "a chain is bounded");
  const auto again = xds::parse_chain(xds::serialize_chain(*chain));
  require(again && *again == *chain, "what was sent is read as it was");
  for (const auto& one : *chain) (void)certs::describe(one);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  std::span<const std::uint8_t> input(data, size);
  if (fuzz::take_byte(input) % 2 == 0) {
    check_request(fuzz::text_of(input));
  } else {
    check_chain(fuzz::text_of(input));
  }
  return 0;
}
