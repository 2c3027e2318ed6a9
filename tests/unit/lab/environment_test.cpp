// $(VAR) as Kubernetes expands it, and what a container's process is given.
#include "lab/environment.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace culvert;
using namespace culvert::lab;

TEST_CASE("variables are expanded, unknown ones stay, a doubled dollar is one") {
  const Environment v{{"A", "1"}, {"EMPTY", ""}};
  const auto expand = [&](const char* text) { return expand_variables(text, v); };
  CHECK(expand("x$(A)y") == "x1y");
  CHECK(expand("$(A)$(A)") == "11");
  CHECK(expand("$(EMPTY)") == "");
  CHECK(expand("$(B)") == "$(B)");
  CHECK(expand("$$(A)") == "$(A)");
  CHECK(expand("$A $ $(A") == "$A $ $(A");
  CHECK(expand("$") == "$");
  CHECK(expand("$()") == "$()");
}

TEST_CASE("an entry sees those before it, and the downward API") {
  Container c{.command = {"run", "$(URL)"}, .args = {"$(NAME)", "$(LABEL)"}};
  c.env = {{"PORT", "80", ""},
           {"URL", "http://x:$(PORT)", ""},
           {"NAME", "", "metadata.name"},
           {"LABEL", "", "metadata.labels['app']"}};
  Pod pod;
  pod.name = "web";
  pod.labels = {{"app", "shop"}};
  const auto out = command_of(c, pod, {}, "/bin");
  REQUIRE(out);
  CHECK(out->argv == std::vector<std::string>{"run", "http://x:80", "web", "shop"});
  CHECK(std::ranges::count(out->environment, "PATH=/bin") == 1);
  CHECK(std::ranges::count(out->environment, "HOSTNAME=web") == 1);
}

TEST_CASE("a field that the lab does not know is refused by name") {
  Container c{.name = "x", .command = {"run"}};
  c.env = {{"A", "", "spec.unknown"}};
  const auto out = command_of(c, {}, {}, "/bin");
  REQUIRE_FALSE(out);
  CHECK(out.error().text.find("spec.unknown") != std::string::npos);
}
