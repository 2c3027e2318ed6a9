// A stranger's bytes instead of a handshake, at the HBONE port and where we dial: nobody is let in
// without a key, nothing is read as data before, what is answered is bounded, and a connection that
// failed stays so. Input: a byte that chooses role and cut, then the peer's bytes.
#include <openssl/err.h>

#include <optional>

#include "culvert/tls/session.hpp"
#include "mint.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr char kName[] = "spiffe://cluster.local/ns/shop/sa/web";
// Our first flight: ServerHello, certificate, CertificateRequest; and again after a second
// ClientHello.
constexpr std::size_t kMaxAnswerBytes = 16U << 10;

tls::Context context(tls::Role role) {
  static const test::Minted root = test::mint_root();
  static const test::Minted leaf = test::mint_workload(root, kName);
  auto made = tls::Context::create(role, {.certificate_chain = leaf.certificate,
                                          .private_key = leaf.private_key,
                                          .trusted_roots = root.certificate});
  require(made.has_value(), "a context is made");
  return std::move(*made);
}

Result<tls::Session> session(bool server) {
  static const tls::Context as_server = context(tls::Role::kServer);
  static const tls::Context as_client = context(tls::Role::kClient);
  return server ? tls::Session::server(as_server)
                : tls::Session::client(as_client, {.identities = {kName}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const auto choice = fuzz::take_byte(input);
  auto made = session((choice & 1) == 0);
  require(made.has_value(), "a session is made");
  tls::Session& self = *made;
  std::string plaintext;
  std::optional<Error> failed;
  std::size_t answered = self.take_output().size();
  fuzz::in_parts(input, 1 + (choice >> 1U) * 8U, [&](std::span<const std::uint8_t> part) {
    const auto fed = self.feed(std::as_bytes(part), plaintext);
    answered += self.take_output().size();
    require(!failed || !fed, "a connection that failed stays so");
    if (!fed && !failed) failed = fed.error();
    require(ERR_peek_error() == 0, "no error of OpenSSL is left for the next connection");
  });
  require(plaintext.empty() && self.peer() == nullptr, "nobody is let in without a key");
  require(self.progress() == tls::Progress::kHandshaking, "the handshake does not end");
  require(answered <= kMaxAnswerBytes, "answers are bounded");
  const std::string text = "data";
  require(!self.encrypt(std::as_bytes(std::span(text))), "nothing is sent to a stranger");
  require(!self.end_of_input() && self.take_output().size() <= kMaxAnswerBytes,
          "a stranger who leaves has not said goodbye");
  return 0;
}
