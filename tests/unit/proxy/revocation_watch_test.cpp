#include "culvert/proxy/revocation_watch.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "../temporary_folder.hpp"
#include "culvert/base/fd.hpp"
#include "mint.hpp"

using namespace culvert;
using namespace culvert::proxy;

namespace {

struct World {
  test::Minted root = test::mint_root();
  test::Minted web = test::mint_workload(root, "spiffe://cluster.local/ns/shop/sa/web");
  culvert::testing::TemporaryFolder folder;
  std::string path = folder.path() + "/crl.pem";
  std::vector<std::size_t> published;  // sizes
  RevocationWatch watch{path, [this](const auto& list) { published.push_back(list->size()); }};

  void write(const std::string& text) { REQUIRE(write_file_atomic(path, text, 0600)); }
  std::string crl(bool of_web) const {
    std::vector<const test::Minted*> revoked;
    if (of_web) revoked.push_back(&web);
    return test::mint_crl(root, revoked);
  }
};

}  // namespace

TEST_CASE("a file counts as soon as it is known whom to believe, and again when it changes") {
  World world;
  world.write(world.crl(true));
  world.watch.look();
  CHECK(world.published.empty());  // no certificate yet: no handshakes either
  world.watch.trust("web", "", world.root.certificate);
  CHECK(world.published == std::vector<std::size_t>{1});
  world.watch.look();
  world.watch.trust("db", "", world.root.certificate);
  CHECK(world.published.size() == 1);  // nothing changed
  world.write(world.crl(false));
  world.watch.look();
  CHECK(world.published == std::vector<std::size_t>{1, 0});
  CHECK(world.watch.problem().empty());
}

TEST_CASE("a file that goes away, is broken or is by a stranger changes nothing and is told") {
  World world;
  world.write(world.crl(true));
  world.watch.trust("web", "", world.root.certificate);
  world.write("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
  world.watch.look();
  CHECK_FALSE(world.watch.problem().empty());
  world.write(test::mint_crl(test::mint_root("stranger"), {}));
  world.watch.look();
  CHECK(world.watch.problem().find("not signed by a trusted root") != std::string::npos);
  std::filesystem::remove(world.path);
  world.watch.look();
  CHECK_FALSE(world.watch.problem().empty());
  CHECK(world.published.size() == 1);
  world.write(world.crl(true));
  world.watch.look();
  CHECK(world.published.size() == 2);
  CHECK(world.watch.problem().empty());
}

TEST_CASE("a file by a root that comes later counts from then on") {
  World world;
  const auto next = test::mint_root("next");
  world.write(test::mint_crl(next, {&world.web}));
  world.watch.trust("web", "", world.root.certificate);
  CHECK(world.published.empty());
  world.watch.trust("web", "", world.root.certificate + next.certificate);
  CHECK(world.published.size() == 1);
}
