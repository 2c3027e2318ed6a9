// Files of CRLs, good and hostile, and what a handshake makes of the list.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include "../tls/pair.hpp"
#include "culvert/certs/revocation_file.hpp"

using namespace culvert;
using namespace culvert::certs;
using namespace culvert::test;
using tls::Role;

namespace {

struct World {
  Minted root = mint_root();
  Minted intermediate = mint({.ca = true, .usage = "", .subject = "intermediate"}, &root);
  Minted web = mint_workload(root, kWeb);
  Minted far_web = mint_workload(intermediate, kWeb);
  Minted db = mint_workload(root, kDb);

  auto read(const std::string& pem, const std::string& intermediates = {}) const {
    return read_revocations(pem, root.certificate, intermediates);
  }
  tls::RevocationListPtr list(const std::string& pem, const std::string& intermediates = {}) const {
    auto got = read(pem, intermediates);
    if (!got) FAIL(got.error());
    return got->list;
  }
  std::string refusal(const std::string& pem, const std::string& intermediates = {}) const {
    const auto got = read(pem, intermediates);
    return got ? "accepted" : got.error();
  }
  // A client with this leaf at a server that has the list; then the other way round.
  Pair handshake(const Minted& client, const std::string& above, tls::Expected at_server) const {
    auto pair = make_pair(context(Role::kClient, client, root.certificate, above),
                          context(Role::kServer, db, root.certificate), {.identities = {kDb}},
                          std::move(at_server));
    pair.run();
    return pair;
  }
};

bool says(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "a peer whose certificate is revoked is refused with its own errno, and learns it by alert") {
  const World world;
  const auto revoked = world.list(mint_crl(world.root, {&world.web}));
  CHECK(revoked->size() == 1);
  auto pair = world.handshake(world.web, "", {.revoked = revoked});
  REQUIRE(pair.server_error);
  CHECK(pair.server_error->sys_errno == EKEYREVOKED);
  CHECK(pair.server_error->code == ErrorCode::kTls);
  REQUIRE(pair.client_error);
  CHECK(std::string_view(pair.client_error->text) == "the peer's alert: certificate revoked");
}

TEST_CASE("a server whose certificate is revoked is refused by its client") {
  const World world;
  auto pair =
      make_pair(context(Role::kClient, world.web, world.root.certificate),
                context(Role::kServer, world.db, world.root.certificate),
                {.identities = {kDb}, .revoked = world.list(mint_crl(world.root, {&world.db}))});
  pair.run();
  REQUIRE(pair.client_error);
  CHECK(pair.client_error->sys_errno == EKEYREVOKED);
}

TEST_CASE("all below a revoked intermediate are refused, and only they") {
  const World world;
  const auto revoked = world.list(mint_crl(world.root, {&world.intermediate}));
  const auto& above = world.intermediate.certificate;
  CHECK(world.handshake(world.far_web, above, {.revoked = revoked}).server_error);
  CHECK_FALSE(world.handshake(world.web, "", {.revoked = revoked}).server_error);
  CHECK_FALSE(world.handshake(world.far_web, above, {}).server_error);
}

TEST_CASE("what a peer proved can be asked about later") {
  const World world;
  auto pair = world.handshake(world.far_web, world.intermediate.certificate, {});
  const auto& chain = pair.server.peer()->chain;
  CHECK(chain.size() == 2);  // without the root
  const auto later = world.list(mint_crl(world.root, {&world.intermediate}));
  CHECK_FALSE(tls::check_revoked(chain, later, Origin::kClient));
  CHECK(tls::check_revoked(chain, world.list(mint_crl(world.root, {&world.web})), Origin::kClient));
  CHECK(tls::check_revoked(chain, nullptr, Origin::kClient));
}

TEST_CASE("a serial number counts only for the issuer whose list it is in") {
  const World world;
  // The intermediate lists the number of a certificate of the root.
  const auto list =
      world.list(mint_crl(world.intermediate, {&world.web}), world.intermediate.certificate);
  CHECK_FALSE(world.handshake(world.web, "", {.revoked = list}).server_error);
}

TEST_CASE("several lists in one file add up, and a file may bring the issuers of its lists") {
  const World world;
  const std::string both =
      mint_crl(world.root, {&world.web}) + mint_crl(world.intermediate, {&world.far_web});
  CHECK(world.list(both, world.intermediate.certificate)->size() == 2);
  CHECK(world.list(world.intermediate.certificate + both)->size() == 2);
  CHECK(says(world.refusal(both), "not signed by a trusted root or intermediate"));
}

TEST_CASE("a list by nobody trusted is refused") {
  const World world;
  const auto stranger = mint_root("root");  // the same name, another key
  CHECK(says(world.refusal(mint_crl(stranger, {&world.web})), "not signed by a trusted root"));
  CHECK(says(world.refusal(mint_crl(mint_root("other"), {&world.web})),
             "not signed by a trusted root"));
  CHECK(says(world.refusal(stranger.certificate + mint_crl(stranger, {&world.web})), "not signed"));
  const auto below_stranger = mint({.ca = true, .usage = "", .subject = "intermediate"}, &stranger);
  CHECK(says(world.refusal(mint_crl(below_stranger, {&world.web}), below_stranger.certificate),
             "not signed"));
  // A workload's certificate may not sign lists, although it leads to the root.
  CHECK(
      says(world.refusal(world.web.certificate + mint_crl(world.web, {&world.db})), "not signed"));
  CHECK(
      says(read_revocations(mint_crl(world.root, {}), "", "").error(), "no trusted root is known"));
}

TEST_CASE("deltas, partial lists and lists from the future are refused, overdue ones count") {
  const World world;
  CHECK(says(world.refusal(mint_crl(world.root, {&world.web}, {.delta = true})), "delta"));
  CHECK(says(world.refusal(mint_crl(world.root, {&world.web}, {.partial = true})),
             "covers only some"));
  CHECK(says(world.refusal(mint_crl(world.root, {&world.web}, {.issued_seconds = 600})), "future"));
  const auto overdue = world.read(
      mint_crl(world.root, {&world.web}, {.issued_seconds = -600, .next_seconds = -300}));
  REQUIRE(overdue);
  CHECK(overdue->list->size() == 1);
  CHECK(says(overdue->warning, "overdue"));
}

TEST_CASE("hostile files are refused as a whole") {
  const World world;
  const std::string good = mint_crl(world.root, {&world.web});
  CHECK(says(world.refusal(""), "no CRL"));
  CHECK(says(world.refusal("not PEM at all"), "no CRL"));
  CHECK(says(world.refusal(world.root.certificate), "no CRL"));
  CHECK(says(world.refusal(std::string(kMaxRevocationFileBytes + 1, 'x')), "over 8 MiB"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxRevocationLists; ++i) many += good;
  CHECK(says(world.refusal(many), "over 64"));
  // Cut, or with one byte changed, at every place: never another list than the good one, no crash.
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    if (const auto got = world.read(bad)) CHECK(got->list->size() == 1);
    if (const auto got = world.read(good.substr(0, at))) CHECK(got->list->size() == 1);
  }
}

TEST_CASE("a certificate of the file that cannot be read leaves no error for the next reader") {
  const World world;
  const auto stranger = mint_root("root");
  const std::string list = mint_crl(stranger, {&world.web});
  for (std::size_t at = 0; at < stranger.certificate.size(); ++at) {
    CAPTURE(at);
    std::string bad = stranger.certificate;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    CHECK_FALSE(world.read(bad + list));
    CHECK(ERR_peek_error() == 0);
  }
}
