// Completion of the real tree of commands.
#include "culvert/completion.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "culvert/commands.hpp"

using namespace culvert::cli;

namespace {

using Words = std::vector<std::string>;

class Names final : public LiveNames {
 public:
  Words labs() const override { return {"default", "demo"}; }
  Words nodes(const std::string& lab) const override { return {lab + "-east", lab + "-west"}; }
  Words pods(const std::string& lab) const override {
    return lab == "demo" ? Words{"demo/one"} : Words{"shop/web", "shop/cart"};
  }
  Words services(const std::string&) const override { return {"shop/front"}; }
  Words namespaces(const std::string&) const override { return {"bank", "shop"}; }
  Words waypoints(const std::string&) const override { return {"l7", "waypoint"}; }
};

Words complete(const Words& words) {
  CLI::App app("test", "culvert");
  register_all(app);
  return completions(app, words, Names());
}

bool has(const Words& words, const char* word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

TEST_CASE("commands and subcommands are completed") {
  CHECK(has(complete({""}), "explain"));
  CHECK(has(complete({}), "explain"));
  CHECK(complete({"expl"}) == Words{"explain"});
  CHECK(complete({"maps", "di"}) == Words{"diff"});
  CHECK(complete({"lab", "up", "--name", "x", ""}).empty());
  CHECK(complete({"completion", ""}) == Words{"bash", "fish", "zsh"});
}

TEST_CASE("every command of the tree can be completed") {
  CLI::App app("test", "culvert");
  register_all(app);
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    CHECK(complete({sub->get_name()}) == Words{sub->get_name()});
    CHECK(has(complete({sub->get_name(), "--"}), "--help"));
  }
}

TEST_CASE("options, and the values that they take") {
  CHECK(complete({"pods", "--out"}) == Words{"--output"});
  CHECK(complete({"pods", "-o", ""}) == Words{"json", "table", "yaml"});
  CHECK(complete({"pods", "--name", "de"}) == Words{"default", "demo"});
  CHECK(complete({"workloads", "-n", ""}) == Words{"bank", "shop"});
  CHECK(complete({"hooks", "--node", ""}) == Words{"default-east", "default-west"});
  CHECK(complete({"policies", "--workload", "shop/c"}) == Words{"shop/cart"});
}

TEST_CASE("positionals are completed with what exists, in the lab that is named") {
  CHECK(complete({"explain", ""}) == Words{"shop/cart", "shop/web"});
  CHECK(complete({"explain", "shop/web", "shop/f"}) == Words{"shop/front"});
  CHECK(complete({"explain", "shop/web", "shop/front", ""}).empty());
  CHECK(complete({"explain", "--name", "demo", ""}) == Words{"demo/one"});
  CHECK(complete({"maps", "dump", "cv_p"}) == Words{"cv_pod"});
  CHECK(complete({"services", ""}) == Words{"shop/front"});
  CHECK(complete({"waypoint", "delete", ""}) == Words{"l7", "waypoint"});
  CHECK(complete({"waypoint", "apply", "--for", "w"}) == Words{"workload"});
  CHECK(has(complete({"lab", "exec", ""}), "node/default-east"));
  CHECK(complete({"lab", "exec", "shop/web", "--", ""}).empty());
}
