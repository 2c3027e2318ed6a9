#include "culvert/certs/certificate_authority.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "../temporary_folder.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/certs/signing_request.hpp"
#include "culvert/certs/workload_certificate.hpp"
#include "openssl_ptr.hpp"
#include "pair.hpp"
#include "pem.hpp"

using namespace culvert;
using culvert::testing::TemporaryFolder;
using namespace culvert::test;
using certs::CertificateAuthority;
using namespace std::chrono_literals;

namespace {

const auto kNow = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

X509* leaf_of(const std::vector<std::string>& chain) {
  static tls::X509Ptr kept;
  kept = std::move(tls::read_certificates(chain.front())->front());
  return kept.get();
}

std::string write(const TemporaryFolder& dir, const std::string& name, const std::string& text) {
  REQUIRE(write_file_atomic(dir.path() + "/" + name, text, 0600));
  return dir.path() + "/" + name;
}

}  // namespace

TEST_CASE("the root is made at first start, kept private, and found again") {
  const TemporaryFolder dir;
  const auto first = CertificateAuthority::open(dir.path() + "/state", "cluster.local");
  if (!first) FAIL(first.error().to_string());
  struct stat info{};
  for (const char* file : {"ca-key.pem", "ca-cert.pem"}) {
    REQUIRE(::stat((dir.path() + "/state/ca/" + file).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  REQUIRE(::stat((dir.path() + "/state/ca").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  const auto second = CertificateAuthority::open(dir.path() + "/state", "other.name");
  REQUIRE(second);
  CHECK(second->roots() == first->roots());
  int entries = 0;
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator(dir.path() + "/state")) {
    ++entries;
  }
  CHECK(entries == 1);  // no temporary directory stays
}

TEST_CASE("broken files of the root are an error that names the file, and are left as they are") {
  for (const char* file : {"ca-key.pem", "ca-cert.pem"}) {
    const TemporaryFolder dir;
    REQUIRE(CertificateAuthority::open(dir.path(), "cluster.local"));
    const std::string path = dir.path() + "/ca/" + file;
    REQUIRE(write_file_atomic(path, "broken", 0600));
    const auto opened = CertificateAuthority::open(dir.path(), "cluster.local");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().file == path);
    CHECK(*read_file(path) == "broken");
    std::filesystem::remove(path);
    const auto missing = CertificateAuthority::open(dir.path(), "cluster.local");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().file == path);
  }
}

TEST_CASE("a root key that others can read is refused") {
  const TemporaryFolder dir;
  REQUIRE(CertificateAuthority::open(dir.path(), "cluster.local"));
  REQUIRE(::chmod((dir.path() + "/ca/ca-key.pem").c_str(), 0640) == 0);
  const auto opened = CertificateAuthority::open(dir.path(), "cluster.local");
  REQUIRE_FALSE(opened);
  CHECK(opened.error().reason.find("chmod 600") != std::string::npos);
}

TEST_CASE("a signed leaf is what Istio's workloads expect") {
  const TemporaryFolder dir;
  const auto ca = CertificateAuthority::open(dir.path(), "cluster.local");
  const auto asked = certs::make_signing_request(kWeb);
  const auto chain = ca->sign(asked->request, kWeb, 0s, kNow);
  REQUIRE(chain);
  REQUIRE(chain->size() == 2);
  CHECK((*chain)[1] == ca->roots());
  X509* const leaf = leaf_of(*chain);
  CHECK(*tls::spiffe_san(*leaf) == kWeb);
  CHECK(X509_NAME_entry_count(X509_get_subject_name(leaf)) == 0);
  CHECK(tls::to_time_point(X509_get0_notBefore(leaf)) == kNow - 2min);
  CHECK(tls::to_time_point(X509_get0_notAfter(leaf)) == kNow + 24h);
  CHECK(X509_get_extended_key_usage(leaf) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
  CHECK(X509_get_key_usage(leaf) == KU_DIGITAL_SIGNATURE);
  CHECK(X509_check_ca(leaf) == 0);
  const int san = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);
  CHECK(X509_EXTENSION_get_critical(X509_get_ext(leaf, san)) == 1);
}

TEST_CASE("the identity is the one given, never the one in the request") {
  const TemporaryFolder dir;
  const auto ca = CertificateAuthority::open(dir.path(), "cluster.local");
  const auto asked = certs::make_signing_request(kDb);
  const auto chain = ca->sign(asked->request, kWeb, 0s);
  REQUIRE(chain);
  CHECK(*tls::spiffe_san(*leaf_of(*chain)) == kWeb);
}

TEST_CASE("lifetimes are cut to a day and to the CA's own end") {
  const TemporaryFolder dir;
  const auto ca = CertificateAuthority::open(dir.path(), "cluster.local", kNow);
  const auto asked = certs::make_signing_request(kWeb);
  const auto life = [&](std::chrono::seconds wanted, std::chrono::system_clock::time_point now) {
    const auto chain = ca->sign(asked->request, kWeb, wanted, now);
    REQUIRE(chain);
    return tls::to_time_point(X509_get0_notAfter(leaf_of(*chain))) - now;
  };
  CHECK(life(1h, kNow) == 1h);
  CHECK(life(25h, kNow) == 24h);
  CHECK(life(-1s, kNow) == 24h);
  CHECK(life(1s, kNow) == certs::kMinLifetime);
  CHECK(life(24h, ca->not_after() - 1h) == 1h);
  CHECK(ca->sign(asked->request, kWeb, 0s, ca->not_after()).error().code ==
        ErrorCode::kUnavailable);
}

TEST_CASE("serial numbers are random and positive") {
  const TemporaryFolder dir;
  const auto ca = CertificateAuthority::open(dir.path(), "cluster.local");
  const auto asked = certs::make_signing_request(kWeb);
  std::set<std::string> serials;
  for (int i = 0; i < 8; ++i) {
    X509* const leaf = leaf_of(*ca->sign(asked->request, kWeb, 0s));
    const auto* serial = X509_get0_serialNumber(leaf);
    CHECK(ASN1_STRING_length(serial) == 16);
    CHECK(ASN1_STRING_get0_data(serial)[0] < 0x80);
    serials.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), 16);
  }
  CHECK(serials.size() == 8);
}

TEST_CASE("an identity that is no workload's is not signed") {
  const TemporaryFolder dir;
  const auto ca = CertificateAuthority::open(dir.path(), "cluster.local");
  const auto asked = certs::make_signing_request(kWeb);
  for (const char* id :
       {"", "web", "spiffe://cluster.local/x", "spiffe://cluster.local/ns/a,DNS:x/sa/b"}) {
    CHECK(ca->sign(asked->request, id, 0s).error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("given CA files work with an intermediate, RSA or EC, and the chain names all") {
  for (const bool rsa : {false, true}) {
    const TemporaryFolder dir;
    const auto root = mint({.ca = true, .usage = "", .rsa = rsa, .subject = "root"}, nullptr);
    const auto upper = mint({.ca = true, .usage = "", .subject = "upper"}, &root);
    const auto lower = mint({.ca = true, .usage = "", .rsa = rsa, .subject = "lower"}, &upper);
    const auto ca = CertificateAuthority::load(
        {.ca_cert = write(dir, "ca-cert.pem", lower.certificate),
         .ca_key = write(dir, "ca-key.pem", lower.private_key),
         .cert_chain =
             write(dir, "cert-chain.pem", lower.certificate + upper.certificate + root.certificate),
         .root_cert = write(dir, "root-cert.pem", root.certificate)});
    if (!ca) FAIL(ca.error().to_string());
    auto asked = certs::make_signing_request(kWeb);
    const auto chain = ca->sign(asked->request, kWeb, 0s);
    REQUIRE(chain);
    REQUIRE(chain->size() == 4);
    CHECK((*chain)[1] == lower.certificate);
    CHECK((*chain)[2] == upper.certificate);
    CHECK((*chain)[3] == root.certificate);
    const auto certificate = certs::WorkloadCertificate::from_reply(
        kWeb, std::move(asked->private_key), *chain, std::chrono::system_clock::now());
    if (!certificate) FAIL(certificate.error().to_string());
    CHECK(certificate->make_context(tls::Role::kServer));
  }
}

TEST_CASE("CA files that do not fit are refused with the file and the reason") {
  const TemporaryFolder dir;
  const auto root = mint_root();
  const auto middle = mint({.ca = true, .usage = "", .subject = "middle"}, &root);
  const auto other = mint_root("other");
  const auto leaf = mint_workload(root, kWeb);
  const auto expired =
      mint({.not_after_seconds = -10, .ca = true, .usage = "", .subject = "old"}, &root);
  const auto load = [&](const Minted& cert, const Minted& key, const std::string& trusted) {
    const auto ca =
        CertificateAuthority::load({.ca_cert = write(dir, "ca-cert.pem", cert.certificate),
                                    .ca_key = write(dir, "ca-key.pem", key.private_key),
                                    .cert_chain = {},
                                    .root_cert = write(dir, "root-cert.pem", trusted)});
    return ca ? std::string("loaded") : ca.error().to_string().substr(dir.path().size() + 1);
  };
  CHECK(load(middle, middle, root.certificate) == "loaded");
  CHECK(load(root, root, root.certificate) == "loaded");
  CHECK(load(middle, other, root.certificate).starts_with("ca-key.pem: the key is not the one of"));
  CHECK(load(middle, middle, other.certificate) ==
        "ca-cert.pem: the CA certificate does not lead to the root through the chain file");
  CHECK(load(leaf, leaf, root.certificate) ==
        "ca-cert.pem: the certificate may not sign others (no CA)");
  CHECK(load(expired, expired, root.certificate) ==
        "ca-cert.pem: the CA certificate or one above it has expired");
  CHECK(load(root, root, "nothing") == "root-cert.pem: PEM text without a certificate");
}
