// The kernel's maps against the agent's wishes.
#include "culvert/maps_diff.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::cli;

namespace {

constexpr const char* kDesired = R"({
  "block_first": 288, "exclude_ranges": ["10.9.0.0/16"], "exclude_ports": [25],
  "pods": [
    {"uid": "u1", "namespace": "shop", "name": "web", "netns_cookie": 7, "ips": ["10.0.0.5", "fd00::5"], "state": "captured"},
    {"uid": "u2", "namespace": "shop", "name": "old", "netns_cookie": 8, "ips": ["10.0.0.6"], "state": "ending"}]})";

struct Fixture {
  Wishes wishes = *parse_wishes(Json::parse(kDesired));
  CaptureMaps kernel = wishes.maps;  // all is well

  std::vector<std::string> found() const {
    std::vector<std::string> out;
    for (const auto& d : diff_maps(wishes, kernel))
      out.push_back(d.map + " " + d.entry + " " + d.state);
    return out;
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("an agent's wishes: a pod has an entry, counters and every listener; an ending one may") {
  const Fixture f;
  CHECK(f.wishes.maps.pods.size() == 1);
  CHECK(f.wishes.maps.pods.at(7).ip6 == "fd00::5");
  CHECK(f.wishes.maps.listeners.at(7).size() == 24);
  CHECK(f.wishes.maps.excludes == std::set<std::string>{"10.9.0.0/16", "port 25"});
  CHECK(f.wishes.cookie("shop/web") == 7U);
  CHECK_FALSE(f.wishes.cookie("shop/old"));
  for (const char* bad : {"[]", "{}", R"({"block_first":"x"})", R"({"block_first":288,"pods":[3]})",
                          R"({"block_first":288,"pods":[{"netns_cookie":1,"ips":["x"]}]})"})
    CHECK_FALSE_MESSAGE(parse_wishes(Json::parse(bad)), bad);
}

TEST_CASE("nothing differs when all is well, also while a namespace is ending") {
  Fixture f;
  CHECK(f.found().empty());
  f.kernel.pods[8] = {};
  f.kernel.counters.insert(8);
  f.kernel.listeners[8].insert("hbone ipv4 slot 0");
  CHECK(f.found().empty());
}

TEST_CASE("an entry that is missing, extra or different is named with its pod") {
  Fixture f;
  f.kernel.pods[7].ready = false;
  f.kernel.pods[9] = {};
  CHECK(f.found() == Lines{"cv_pod shop/web (netns 7) different", "cv_pod netns 9 extra"});
  f.kernel.pods.clear();
  CHECK(f.found() == Lines{"cv_pod shop/web (netns 7) missing"});
}

TEST_CASE("exclusions, counters and the block are compared too") {
  Fixture f;
  f.kernel.excludes = {"port 26"};
  f.kernel.counters = {9};
  f.kernel.block_first = 304;
  CHECK(f.found() == Lines{"cv_layout block different", "cv_exclude 10.9.0.0/16 missing",
                           "cv_exclude port 25 missing", "cv_exclude port 26 extra",
                           "cv_counter shop/web (netns 7) missing", "cv_counter netns 9 extra"});
}

TEST_CASE("listeners are ztunnel's, which the agent cannot mend") {
  Fixture f;
  f.kernel.listeners[7].erase("outbound ipv6 slot 3");
  const auto found = diff_maps(f.wishes, f.kernel);
  REQUIRE(found.size() == 1);
  CHECK(found[0].entry == "shop/web (netns 7) outbound ipv6 slot 3");
  CHECK_FALSE(found[0].by_agent);
}

TEST_CASE("a pod's part of the maps is what predictions ask") {
  Fixture f;
  const auto c = capture_of(f.kernel, 7);
  CHECK(c.enrolled);
  CHECK(c.ready);
  CHECK(c.ip4 == IpAddress::parse("10.0.0.5"));
  CHECK(c.listeners);
  CHECK(c.excluded_ports == std::vector<std::uint16_t>{25});
  CHECK(c.excluded_ranges.size() == 1);
  CHECK_FALSE(capture_of(f.kernel, 9).enrolled);
  CHECK_FALSE(capture_of(f.kernel, std::nullopt).enrolled);
  f.kernel.listeners.clear();
  CHECK_FALSE(capture_of(f.kernel, 7).listeners);
}
