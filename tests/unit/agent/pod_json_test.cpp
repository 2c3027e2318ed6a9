// Reading and writing pods as JSON.
#include "pod_json.hpp"

#include <doctest/doctest.h>

#include "pretended_node.hpp"

using namespace culvert;
using namespace culvert::agent;
using culvert::agent::testing::spec_of;

namespace {

std::string pod_with(const std::string& member, const std::string& value) {
  std::string out = "{";
  for (const auto& [name, good] : {std::pair<std::string, std::string>{"uid", "\"u-1\""},
                                   {"namespace", "\"shop\""},
                                   {"name", "\"web-0\""},
                                   {"service_account", "\"web\""},
                                   {"netns", "\"/run/netns/x\""},
                                   {"ips", "[\"10.0.0.5\",\"fd00::5\"]"}}) {
    out += (out.size() > 1 ? ",\"" : "\"") + name + "\":" + (name == member ? value : good);
  }
  return out + "}";
}

}  // namespace

TEST_CASE("a complete pod is read") {
  const auto pod = parse_pod(pod_with("", ""));
  REQUIRE(pod.has_value());
  CHECK(pod->uid == "u-1");
  CHECK(pod->pod_namespace == "shop");
  CHECK(pod->netns == "/run/netns/x");
  CHECK(pod->ips ==
        std::vector<IpAddress>{IpAddress::v4(10, 0, 0, 5), *IpAddress::parse("fd00::5")});
}

TEST_CASE("a pod may wish for a mode of its guard, which is kept") {
  const auto with_guard = [](const std::string& guard) {
    std::string text = pod_with("", "");
    return parse_pod(text.insert(text.size() - 1, ",\"guard\":" + guard));
  };
  CHECK_FALSE(parse_pod(pod_with("", ""))->guard.has_value());
  for (const GuardMode mode : {GuardMode::kOff, GuardMode::kObserve, GuardMode::kStrict}) {
    const auto pod = with_guard("\"" + std::string(guard_mode_name(mode)) + "\"");
    REQUIRE(pod.has_value());
    CHECK(pod->guard == mode);
    const std::vector<Pod> pods{{*pod, 7}};
    CHECK(parse_pods(format_pods(pods, "boot"), "boot") == pods);
  }
  for (const char* wrong : {"\"\"", "\"Strict\"", "true", "null"}) {
    const auto pod = with_guard(wrong);
    REQUIRE_FALSE(pod.has_value());
    CHECK(pod.error().next == "write strict, observe or off");
  }
}

TEST_CASE(
    "a pod that is missing something, or has something that cannot be, is refused with a next "
    "step") {
  for (const auto& [member, value] : std::vector<std::pair<std::string, std::string>>{
           {"uid", "\"\""},
           {"uid", "7"},
           {"uid", "\"a/b\""},
           {"uid", "\"" + std::string(kMaxUidBytes + 1, 'a') + "\""},
           {"namespace", "\"Shop\""},
           {"namespace", "\"" + std::string(kMaxNamespaceBytes + 1, 'a') + "\""},
           {"name", "\"a\\u0000b\""},
           {"service_account", "null"},
           {"netns", "\"run/x\""},
           {"netns", "\"/run/a\\nb\""},
           {"netns", "\"/" + std::string(kMaxNetnsPathBytes, 'a') + "\""},
           {"ips", "[]"},
           {"ips", "\"10.0.0.5\""},
           {"ips", "[\"127.0.0.1\"]"},
           {"ips", "[\"::\"]"},
           {"ips", "[\"fe80::1\"]"},
           {"ips", "[\"224.0.0.1\"]"},
           {"ips", "[\"ff02::1\"]"},
           {"ips", "[10]"}}) {
    CAPTURE(member);
    CAPTURE(value);
    const auto refused = parse_pod(pod_with(member, value));
    REQUIRE_FALSE(refused.has_value());
    CHECK_FALSE(refused.error().next.empty());
  }
  CHECK_FALSE(parse_pod("").has_value());
  CHECK_FALSE(parse_pod("[]").has_value());
  CHECK_FALSE(parse_pod("{\"uid\":\"a\",\"extra\":1}").has_value());
  CHECK_FALSE(parse_pod(std::string(100'000, '[')).has_value());
}

TEST_CASE("pods.json comes back as it was written, in the same boot only") {
  const std::vector<Pod> pods{{spec_of("u1", "/n/a"), 0xffff'ffff'ffff'ffffU},
                              {spec_of("u2", "/n/b"), 8}};
  const std::string text = format_pods(pods, "boot-1");
  CHECK(*parse_pods(text, "boot-1") == pods);
  CHECK(parse_pods(text, "boot-2")->empty());
}

TEST_CASE("pods.json that is cut short, of another version or edited wrongly is refused") {
  const std::vector<Pod> pods{{spec_of("u1", "/n/a"), 7}};
  const std::string text = format_pods(pods, "b");
  for (std::size_t cut = 0; cut + 2 < text.size(); ++cut)
    CHECK_FALSE(parse_pods(text.substr(0, cut), "b").has_value());
  std::string other = text;
  other.replace(other.find("\"version\": 1"), 12, "\"version\": 2");
  CHECK_FALSE(parse_pods(other, "b").has_value());
  std::string edited = text;
  edited.replace(edited.find("10.0.0.5"), 8, "10.0.0.x");
  CHECK_FALSE(parse_pods(edited, "b").has_value());
}
