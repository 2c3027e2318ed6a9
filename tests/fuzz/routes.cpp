// Rules and requests drawn from the input: objects come, are replaced and go, and after each change
// the compiled table chooses what a slow, plain reading of the messages does.
#include "../unit/l7/drawn_rules.hpp"
#include "culvert/l7/choose_route.hpp"
#include "culvert/l7/compiler.hpp"
#include "property.hpp"

using namespace culvert;
using namespace culvert::l7;
using fuzz::require;

namespace {

constexpr std::uint32_t kObjects = 3;
constexpr std::uint32_t kChanges = 4;
constexpr std::uint32_t kRequests = 6;

class Mesh {
 public:
  Mesh() : compiler_({"cluster.local", "istio-system", "shop"}) {
    auto service = std::make_shared<mesh::Service>();
    service->ns = "shop";
    service->name = "reviews";
    service->hostname = "reviews.shop.svc.cluster.local";
    service->ports.push_back({80, 8080, mesh::AppProtocol::kHttp11});
    service->ports.push_back({9090, 8080, mesh::AppProtocol::kHttp11});
    compiler_.put(mesh::ServicePtr(service));
  }

  /// Puts, replaces or removes one object.
  void change(l7::test::DrawnRules& drawn) {
    const auto which = drawn.below(kObjects);
    const std::string name(1, static_cast<char>('a' + which));
    if (drawn.one_in(4)) {
      compiler_.remove_virtual_service("shop", name);
      specs_.erase(name);
    } else {
      specs_[name] = drawn.virtual_service(name);
      compiler_.put(VirtualServiceObject{"shop", name, which, specs_[name]});
    }
    table_ = compiler_.compile();
  }

  void ask(l7::test::DrawnRules& drawn) {
    const auto ask = drawn.ask();
    const l7::test::Views views(ask);
    std::vector<std::shared_ptr<l7::test::v1::VirtualService>> all;
    for (const auto& [name, spec] : specs_) all.push_back(spec);
    const auto expected = all.empty() ? "default" : l7::test::plainly(all, ask);
    Explanation told;
    const auto decision = choose_route(*table_, views.target, views.request, views.client, random_);
    const auto explained =
        choose_route(*table_, views.target, views.request, views.client, random_, &told);
    require(decision.route_name == expected, "the table chooses what a plain reading does");
    require(explained.route_name == expected, "so does its explanation");
    require((decision.kind == Decision::Kind::kNoRoute) == expected.empty(),
            "no rule is found only where none matches");
  }

 private:
  Compiler compiler_;
  RouteTablePtr table_;
  std::map<std::string, std::shared_ptr<l7::test::v1::VirtualService>> specs_;
  Random random_{1};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  l7::test::DrawnRules drawn([&](std::uint32_t n) { return fuzz::take_byte(input) % n; });
  Mesh mesh;
  for (std::uint32_t i = 0; i < kChanges && !input.empty(); ++i) {
    mesh.change(drawn);
    for (std::uint32_t j = 0; j < kRequests; ++j) mesh.ask(drawn);
  }
  return 0;
}
