// Which objects a command is asked for, and what it says when there are none.
#include "culvert/name_filter.hpp"

#include <doctest/doctest.h>

using namespace culvert::cli;

TEST_CASE("a name may bring its namespace") {
  CHECK(NameFilter("", "").takes("shop", "web"));
  CHECK(NameFilter("shop", "").takes("shop", "web"));
  CHECK_FALSE(NameFilter("bank", "").takes("shop", "web"));
  CHECK(NameFilter("", "web").takes("shop", "web"));
  CHECK(NameFilter("", "shop/web").takes("shop", "web"));
  CHECK_FALSE(NameFilter("", "bank/web").takes("shop", "web"));
  CHECK_FALSE(NameFilter("", "shop/we").takes("shop", "web"));
}

TEST_CASE("an unknown name gets the nearest one suggested, or a list") {
  const std::vector<std::string> known{"shop/catalog", "shop/web", "bank/vault"};
  CHECK(NameFilter("", "shop/catalgo").nothing("service", known).next ==
        "did you mean shop/catalog?");
  CHECK(NameFilter("", "valt").nothing("service", known).next == "did you mean vault?");
  CHECK(NameFilter("", "nobody-like-it").nothing("service", known).next ==
        "there are shop/catalog, shop/web, bank/vault");
  CHECK(NameFilter("", "x").nothing("policy", {}).next == "there is no policy at all");
}
