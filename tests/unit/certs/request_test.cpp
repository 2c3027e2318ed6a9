#include "culvert/certs/signing_request.hpp"

#include <openssl/pem.h>

#include "../temporary_folder.hpp"
#include "culvert/certs/certificate_authority.hpp"
#include "culvert/certs/workload_certificate.hpp"
#include "openssl_ptr.hpp"
#include "pair.hpp"

using namespace culvert;
using culvert::testing::TemporaryFolder;
using namespace culvert::test;
using namespace std::chrono_literals;
using certs::WorkloadCertificate;

namespace {

std::string request_with(EVP_PKEY* key, bool break_signature) {
  const tls::X509ReqPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  X509_REQ_sign(request.get(), key, EVP_sha256());
  if (break_signature) {
    const tls::KeyPtr other(EVP_EC_gen("P-256"));
    X509_REQ_set_pubkey(request.get(), other.get());
    // Encoded again with another key under the old signature.
  }
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

struct Reply {
  TemporaryFolder dir;
  std::expected<certs::CertificateAuthority, Diagnostic> ca =
      certs::CertificateAuthority::open(dir.path(), "cluster.local");
  certs::KeyAndRequest asked = *certs::make_signing_request(kWeb);
  std::vector<std::string> chain = *ca->sign(asked.request, kWeb, 0s);
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  std::string judge(const std::vector<std::string>& reply, std::string_view identity = kWeb,
                    std::string_view key = {}) {
    const auto certificate = WorkloadCertificate::from_reply(
        identity, tls::Secret(key.empty() ? asked.private_key.view() : key), reply, now);
    return certificate ? "accepted" : certificate.error().text;
  }
};

}  // namespace

TEST_CASE("a request carries its identity and proves its key") {
  const auto made = certs::make_signing_request(kWeb);
  REQUIRE(made);
  CHECK(made->private_key.view().starts_with("-----BEGIN PRIVATE KEY-----"));
  CHECK(made->request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  const auto facts = certs::check_signing_request(made->request);
  REQUIRE(facts);
  CHECK(facts->requested_identity == kWeb);
}

TEST_CASE("no request is made for a name that is no workload's") {
  for (const char* identity : {"", "spiffe://td", "spiffe://td/ns/a/sa/b,DNS:evil", "DNS:web"}) {
    CHECK_FALSE(certs::make_signing_request(identity));
  }
}

TEST_CASE("hostile requests are refused") {
  const auto text = [](std::string_view pem) {
    const auto facts = certs::check_signing_request(pem);
    return facts ? std::string("accepted") : std::string(facts.error().text);
  };
  const tls::KeyPtr p256(EVP_EC_gen("P-256"));
  const tls::KeyPtr p384(EVP_EC_gen("P-384"));
  const tls::KeyPtr rsa(EVP_RSA_gen(2048));
  CHECK(text(request_with(p256.get(), false)) == "accepted");
  CHECK(text(request_with(p256.get(), true)) == "signing request without proof of its key");
  CHECK(text(request_with(p384.get(), false)) == "signing request whose key is not ECDSA P-256");
  CHECK(text(request_with(rsa.get(), false)) == "signing request whose key is not ECDSA P-256");
  CHECK(text("") == "signing request is not a PEM text");
  CHECK(text(std::string(certs::kMaxRequestPemBytes + 1, 'x')) == "signing request over 16 KiB");
  const auto good = certs::make_signing_request(kWeb)->request;
  for (std::size_t size = 0; size < good.size() - 2; ++size) {
    REQUIRE(text(std::string_view(good).substr(0, size)) != "accepted");
  }
}

TEST_CASE("a request with one changed character is never accepted") {
  const auto good = certs::make_signing_request(kWeb)->request;
  const auto first = good.find('\n') + 1;
  const auto last = good.rfind("\n-----END") - 4;  // the last group may hold bits that say nothing
  for (std::size_t at = first; at < last; at += 3) {
    auto bad = good;
    if (bad[at] == '\n' || bad[at] == '=') continue;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    if (bad == good) continue;
    const auto facts = certs::check_signing_request(bad);
    CHECK_FALSE(facts);
  }
}

TEST_CASE("a good reply becomes a certificate that can talk to itself") {
  Reply reply;
  const auto certificate = WorkloadCertificate::from_reply(
      kWeb, tls::Secret(reply.asked.private_key.view()), reply.chain, reply.now);
  REQUIRE(certificate);
  CHECK(certificate->identity == kWeb);
  CHECK(certificate->roots == reply.ca->roots());
  CHECK(certificate->not_after - certificate->not_before == 24h + 2min);
  auto pair = make_pair(*certificate->make_context(tls::Role::kClient),
                        *certificate->make_context(tls::Role::kServer), {.identities = {kWeb}});
  pair.run();
  CHECK(pair.server.progress() == tls::Progress::kOpen);
}

TEST_CASE("replies that do not fit are refused with the reason") {
  Reply reply;
  const auto& chain = reply.chain;
  CHECK(reply.judge(chain) == "accepted");
  CHECK(reply.judge({chain[0] + chain[1]}) == "accepted");
  CHECK(reply.judge(chain, kDb) == "CA reply for another identity than was asked");
  CHECK(reply.judge(chain, kWeb, certs::make_signing_request(kWeb)->private_key.view()) ==
        "CA reply for another key than ours");
  CHECK(reply.judge({}) == "CA reply without a certificate");
  CHECK(reply.judge({"x"}) == "CA reply with a malformed certificate");
  CHECK(reply.judge({chain[0]}) == "CA reply without a root");
  CHECK(reply.judge({chain[0], mint_root().certificate}) ==
        "CA reply whose leaf does not lead to its root");
  CHECK(reply.judge({chain[1], chain[0]}) == "certificate without a URI SAN");
  std::vector<std::string> many(certs::kMaxReplyCertificates + 1, chain[1]);
  CHECK(reply.judge(many) == "CA reply with over 16 certificates");
  reply.now += 25h;
  CHECK(reply.judge(chain) == "CA reply that has expired");
  reply.now -= 50h;
  CHECK(reply.judge(chain) == "CA reply that is not yet valid");
}

TEST_CASE("renewal comes at half of the life, at most a twentieth earlier") {
  const auto start = std::chrono::system_clock::time_point(1'000'000s);
  CHECK(certs::renewal_time(start, start + 24h, 0) == start + 12h);
  const auto earliest = certs::renewal_time(start, start + 20h, 1);
  CHECK(std::chrono::abs(earliest - (start + 9h)) < 1ms);
}

TEST_CASE("a CA at its end is not asked over and over") {
  const auto start = std::chrono::system_clock::time_point(1'000'000s);
  CHECK(certs::renewal_time(start, start, 0.5) == start + certs::kMinRenewalDelay);
  CHECK(certs::renewal_time(start, start - 1h, 0.5) == start + certs::kMinRenewalDelay);
  CHECK(certs::renewal_time(start, start + 1s, 0) == start + certs::kMinRenewalDelay);
}

TEST_CASE("retries back off from half a second to 150 seconds") {
  CHECK(certs::retry_delay(1) == 500ms);
  CHECK(certs::retry_delay(2) == 1s);
  CHECK(certs::retry_delay(4000000000U) == 150s);
}
