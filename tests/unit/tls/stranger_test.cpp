// Peers that are not Culvert: OpenSSL used directly, with none of our checks and settings, sends
// what our own Context would refuse to send.
#include "openssl_ptr.hpp"
#include "pair.hpp"
#include "pem.hpp"

using namespace culvert;
using namespace culvert::test;
using tls::Role;

namespace {

const Minted& root() {
  static const Minted kRoot = mint_root();
  return kRoot;
}

struct Stranger {
  tls::SslCtxPtr ctx;
  tls::SslPtr ssl;

  Stranger(Role role, const Minted* leaf, std::string_view alpn_wire,
           int max_version = TLS1_3_VERSION, const char* suites = nullptr)
      : ctx(SSL_CTX_new(role == Role::kClient ? TLS_client_method() : TLS_server_method())) {
    SSL_CTX_set_max_proto_version(ctx.get(), max_version);
    if (suites != nullptr) SSL_CTX_set_ciphersuites(ctx.get(), suites);
    if (leaf != nullptr) {
      SSL_CTX_use_certificate(ctx.get(), tls::read_certificates(leaf->certificate)->front().get());
      SSL_CTX_use_PrivateKey(ctx.get(), tls::read_private_key(leaf->private_key)->get());
    }
    if (role == Role::kServer) {
      SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    }
    ssl.reset(SSL_new(ctx.get()));
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (role == Role::kClient) {
      SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn_wire.data()),
                          static_cast<unsigned>(alpn_wire.size()));
      SSL_set_connect_state(ssl.get());
    } else {
      if (!alpn_wire.empty()) {
        SSL_CTX_set_alpn_select_cb(
            ctx.get(),
            [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
               unsigned, void*) {
              *size = in[0];
              *out = in + 1;
              return SSL_TLSEXT_ERR_OK;
            },
            nullptr);
      }
      SSL_set_accept_state(ssl.get());
    }
  }

  // Runs the handshake against ours and returns how ours ended.
  std::optional<Error> meet(tls::Session& ours, std::string* got = nullptr) {
    std::string ignored;
    for (int turn = 0; turn < 6; ++turn) {
      const std::string in = ours.take_output();
      BIO_write(SSL_get_rbio(ssl.get()), in.data(), static_cast<int>(in.size()));
      SSL_do_handshake(ssl.get());
      char data[100];
      const int read = SSL_is_init_finished(ssl.get()) ? SSL_read(ssl.get(), data, sizeof data) : 0;
      if (read > 0 && got != nullptr) got->append(data, static_cast<std::size_t>(read));
      char* out = nullptr;
      const long size = BIO_get_mem_data(SSL_get_wbio(ssl.get()), &out);
      const std::string flight(out, static_cast<std::size_t>(size));
      BIO_reset(SSL_get_wbio(ssl.get()));
      if (const auto fed = ours.feed(bytes(flight), ignored); !fed) return fed.error();
    }
    return std::nullopt;
  }
};

constexpr std::string_view kH2("\x02h2", 3);

std::optional<Error> server_meets(const Minted* leaf, std::string_view alpn = kH2,
                                  int version = TLS1_3_VERSION, const char* suites = nullptr) {
  auto ours =
      tls::Session::server(context(Role::kServer, mint_workload(root(), kDb), root().certificate));
  return Stranger(Role::kClient, leaf, alpn, version, suites).meet(*ours);
}
std::optional<Error> client_meets(const Minted* leaf, std::string_view alpn = kH2,
                                  int version = TLS1_3_VERSION) {
  auto ours =
      tls::Session::client(context(Role::kClient, mint_workload(root(), kWeb), root().certificate),
                           {.identities = {kDb}});
  return Stranger(Role::kServer, leaf, alpn, version).meet(*ours);
}

}  // namespace

TEST_CASE("a stranger with a good certificate is served, and its data read") {
  const auto web = mint_workload(root(), kWeb);
  CHECK_FALSE(server_meets(&web));
  const auto db = mint_workload(root(), kDb);
  auto ours =
      tls::Session::client(context(Role::kClient, web, root().certificate), {.identities = {kDb}});
  Stranger server(Role::kServer, &db, kH2);
  REQUIRE_FALSE(server.meet(*ours));
  REQUIRE(ours->encrypt(bytes("hello")));
  std::string got;
  REQUIRE_FALSE(server.meet(*ours, &got));
  CHECK(got == "hello");
}

TEST_CASE("a client without a certificate is refused with certificate_required") {
  const auto error = server_meets(nullptr);
  REQUIRE(error);
  CHECK(std::string_view(error->text) == "the client sent no certificate");
  CHECK(error->code == ErrorCode::kTls);
}

TEST_CASE("a certificate must have exactly one SAN, a URI that is a SPIFFE id") {
  const std::string uri = std::string("URI:") + kDb;
  const struct {
    std::vector<std::string> sans;
    const char* text;
  } cases[] = {
      {{}, "certificate without a URI SAN"},
      {{"DNS:db.shop"}, "certificate whose SAN is not a URI"},
      {{uri, "URI:spiffe://cluster.local/ns/shop/sa/other"}, "certificate with more than one SAN"},
      {{uri, uri}, "certificate with more than one SAN"},
      {{uri, "DNS:db.shop"}, "certificate with more than one SAN"},
      {{"URI:https://cluster.local/ns/shop/sa/db"}, "certificate whose URI SAN is not a SPIFFE id"},
      {{"URI:spiffe://cluster.local"}, "certificate whose URI SAN is not a SPIFFE id"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text);
    const auto leaf = mint({.sans = each.sans, .subject = kDb}, &root());
    for (const auto& error : {server_meets(&leaf), client_meets(&leaf)}) {
      REQUIRE(error);
      CHECK(error->code == ErrorCode::kIdentity);
      CHECK(std::string_view(error->text) == each.text);
    }
  }
}

TEST_CASE("TLS 1.2 is refused at both ends") {
  const auto leaf = mint_workload(root(), kDb);
  CHECK(server_meets(&leaf, kH2, TLS1_2_VERSION).value().code == ErrorCode::kTls);
  CHECK(client_meets(&leaf, kH2, TLS1_2_VERSION).value().code == ErrorCode::kTls);
}

TEST_CASE("ALPN h2 is required at both ends") {
  const auto leaf = mint_workload(root(), kDb);
  CHECK(server_meets(&leaf, {}).value().code == ErrorCode::kTls);
  CHECK(server_meets(&leaf, std::string_view("\x08http/1.1", 9)).value().code == ErrorCode::kTls);
  const auto error = client_meets(&leaf, {});
  REQUIRE(error);
  CHECK(std::string_view(error->text) == "the peer did not agree to ALPN h2");
}

TEST_CASE("only the two AES-GCM suites are spoken") {
  const auto leaf = mint_workload(root(), kWeb);
  CHECK(server_meets(&leaf, kH2, TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"));
  CHECK_FALSE(server_meets(&leaf, kH2, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"));
}

TEST_CASE("a peer's KeyUpdate is followed and answered") {
  const auto web = mint_workload(root(), kWeb);
  auto ours =
      tls::Session::server(context(Role::kServer, mint_workload(root(), kDb), root().certificate));
  Stranger client(Role::kClient, &web, kH2);
  REQUIRE_FALSE(client.meet(*ours));
  REQUIRE(SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_do_handshake(client.ssl.get()) == 1);
  REQUIRE_FALSE(client.meet(*ours));
  REQUIRE(ours->encrypt(bytes("after")));
  std::string got;
  REQUIRE_FALSE(client.meet(*ours, &got));
  CHECK(got == "after");
}

TEST_CASE("a context refuses credentials that cannot work, and says which") {
  const auto leaf = mint_workload(root(), kWeb);
  const auto other = mint_workload(root(), kWeb);
  const auto make = [&](std::string_view chain, std::string_view key, std::string_view roots) {
    const auto made = tls::Context::create(
        Role::kClient, {.certificate_chain = chain, .private_key = key, .trusted_roots = roots});
    return made ? std::string("made") : std::string(made.error().text);
  };
  const auto& good_root = root().certificate;
  CHECK(make(leaf.certificate, leaf.private_key, good_root) == "made");
  CHECK(make(leaf.certificate, other.private_key, good_root) ==
        "the private key is not the leaf certificate's");
  CHECK(make("", leaf.private_key, good_root) == "PEM text without a certificate");
  CHECK(make(leaf.certificate, "", good_root) == "no unencrypted private key in the PEM text");
  CHECK(make(leaf.certificate, leaf.private_key, "") == "PEM text without a certificate");
  auto broken = leaf.certificate;
  broken.replace(broken.size() / 2, 4, "!!!!");  // no base64
  CHECK(make(broken, leaf.private_key, good_root) != "made");
  const auto unnamed = mint({}, &root());
  CHECK(make(unnamed.certificate, unnamed.private_key, good_root) ==
        "certificate without a URI SAN");
}
