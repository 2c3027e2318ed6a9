// Random rules and requests: the compiled table chooses as a slow, plain
// reading of the messages does.
#include <algorithm>
#include <functional>

#include "drawn_rules.hpp"
#include "lab.hpp"
#include "plain_reading.hpp"

using namespace culvert::l7;
using namespace culvert::l7::test;

TEST_CASE("the compiled table chooses what a plain reading of the rules does") {
  int matched = 0;
  int none = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    DrawnRules chance([&](std::uint32_t n) { return random.below(n); });
    auto lab = Lab("");
    std::vector<std::shared_ptr<v1::VirtualService>> all;
    const auto objects = 1 + chance.below(3);
    for (std::uint32_t i = 0; i < objects; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      all.push_back(chance.virtual_service(name));
      lab.compiler.put(VirtualServiceObject{"shop", name, i, all.back()});
    }
    lab.table = lab.compiler.compile();
    for (int i = 0; i < 60; ++i) {
      const auto ask = chance.ask();
      CAPTURE(ask.path);
      const auto expected = plainly(all, ask);
      Explanation told;
      const auto decision = lab.choose(ask);
      const auto explained = lab.choose(ask, &told);
      REQUIRE(decision.route_name == expected);
      REQUIRE(explained.route_name == expected);
      REQUIRE((decision.kind == Decision::Kind::kNoRoute) == expected.empty());
      ++(expected.empty() ? none : matched);
    }
  }
  // Both kinds of outcome were met often.
  CHECK(matched > 5000);
  CHECK(none > 1000);
}
