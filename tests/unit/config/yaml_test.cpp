// Hostile and ordinary YAML: what is refused, where, and with which words.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "culvert/config/nearest.hpp"
#include "culvert/config/parse.hpp"
#include "scalar.hpp"
#include "yaml_tree.hpp"

using namespace culvert;
using namespace culvert::config;

namespace {

std::string pod_with(const std::string& spec) {
  return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\n" + spec;
}

constexpr const char* kGoodSpec = "spec:\n  containers:\n  - name: c\n    image: i\n";

ParsedFile parsed(const std::string& text) {
  return parse_file("web.yaml", text);
}

/// The only diagnostic, as people see it.
std::string only(const std::string& text) {
  const auto file = parsed(text);
  std::string all;
  for (const auto& d : file.diagnostics) all += d.to_string() + "\n";
  INFO(all);
  REQUIRE(file.diagnostics.size() == 1);
  return file.diagnostics[0].to_string();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a good pod is read without a word") {
  const auto file = parsed(pod_with(kGoodSpec));
  CHECK(file.diagnostics.empty());
  CHECK(file.complete);
  REQUIRE(file.objects.size() == 1);
  CHECK(file.objects[0]->key == ObjectKey{"Pod", "shop", "web"});
  CHECK(file.objects[0]->place.line == 1);
}

TEST_CASE("each mistake is told with file, line, column, field, reason and suggestion") {
  struct Case {
    const char* spec;
    const char* diagnostic;
  };
  const Case cases[] = {
      {"spec:\n  containerz:\n  - name: c\n  containers: [{name: c}]\n",
       "web.yaml:7:3: Pod shop/web: spec.containerz: unknown field (did you mean \"containers\"?)"},
      {"spec:\n  containers: web\n",
       "web.yaml:7:15: Pod shop/web: spec.containers: expected a list, got a string"},
      {"spec:\n  containers:\n  - name: [a]\n",
       "web.yaml:8:11: Pod shop/web: spec.containers[0].name: expected a string, got a list"},
      {"spec:\n  containers:\n  - name: c\n    args: [true]\n",
       "web.yaml:9:12: Pod shop/web: spec.containers[0].args[0]: expected a string, got a boolean: "
       "put it in quotes"},
      {"spec:\n  hostNetwork: \"true\"\n  containers: [{name: c}]\n",
       "web.yaml:7:16: Pod shop/web: spec.hostNetwork: expected true or false, got a string"},
      {"spec:\n  priority: 1.5\n  containers: [{name: c}]\n",
       "web.yaml:7:13: Pod shop/web: spec.priority: expected a whole number, got a number"},
      {"spec:\n  priority: 3000000000\n  containers: [{name: c}]\n",
       "web.yaml:7:13: Pod shop/web: spec.priority: 3000000000 is out of range"},
      {"spec:\n  containers:\n  - name: c\n    ports: [{containerPort: 70000}]\n",
       "web.yaml:9:29: Pod shop/web: spec.containers[0].ports[0].containerPort: must be a port "
       "from "
       "1 to 65535"},
      {"spec:\n  containers:\n  - name: c\n    ports: [{containerPort: 80, protocol: tcp}]\n",
       "web.yaml:9:43: Pod shop/web: spec.containers[0].ports[0].protocol: unknown value \"tcp\" "
       "(did you mean \"TCP\"?)"},
      {"spec:\n  containers:\n  - image: i\n",
       "web.yaml:8:5: Pod shop/web: spec.containers[0].name: is required"},
      {"spec: {}\n", "web.yaml:6:7: Pod shop/web: spec.containers: is required"},
      {"spec:\n  containers: [{name: c}]\n  containers: [{name: d}]\n",
       "web.yaml:8:3: Pod shop/web: duplicate key \"containers\", first on line 7"},
      {"spec:\n  containers: [{name: c}, null]\n",
       "web.yaml:7:27: Pod shop/web: spec.containers[1]: is an empty list item"},
      {"spec:\n  containers: [{name: c}, {name: c}]\n",
       "web.yaml:7:28: Pod shop/web: spec.containers[1].name: a second container named \"c\""},
      {"spec:\n  containers: [{name: c, livenessProbe: {}}]\n",
       "web.yaml:7:26: Pod shop/web: spec.containers[0].livenessProbe: needs exactly one of "
       "httpGet, "
       "tcpSocket, exec and grpc"},
      {"spec:\n  containers:\n  - name: c\n    resources: {limits: {cpu: lots}}\n",
       "web.yaml:9:31: Pod shop/web: spec.containers[0].resources.limits[\"cpu\"]: must be a "
       "quantity "
       "such as \"100m\" or \"1Gi\""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.spec);
    CHECK(only(pod_with(c.spec)) == c.diagnostic);
  }
}

TEST_CASE("all mistakes of a file are told at once, over its documents") {
  const auto text = pod_with("spec:\n  containers:\n  - nam: c\n    image: [x]\n") + "---\n" +
                    pod_with("spec: [1]\n");
  const auto file = parsed(text);
  CHECK(file.objects.empty());
  CHECK(file.refused.size() == 2);
  CHECK(file.diagnostics.size() == 4);  // nam, image, name missing; spec
}

TEST_CASE("a syntax error leaves the other documents readable and the file incomplete") {
  const auto file = parsed(pod_with(kGoodSpec) + "---\nkind: Pod\n  bad: [\n---\n" +
                           "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
  CHECK(file.objects.size() == 2);
  CHECK_FALSE(file.complete);
  REQUIRE(file.diagnostics.size() >= 1);
  CHECK(contains(file.diagnostics[0].reason, "malformed YAML"));
  CHECK(file.diagnostics[0].line == 12);
}

TEST_CASE("a document cut short by an error is refused under its own name") {
  const auto file = parsed(pod_with("spec:\n  containers:\n  - name: c\n    image: \"unclosed\n"));
  CHECK(file.objects.empty());
  REQUIRE(file.refused.size() == 1);
  CHECK(file.refused[0].key.name == "web");
}

TEST_CASE("text that a lax parser would drop or complete is refused") {
  for (const char* text :
       {"a: \"unclosed\n", "a: 'unclosed\n", "a: 1\nb\n", "a: [1,,2]\n", "[a] b\n", "{a: 1} b: 2\n",
        "- a\nb: c\n", "a: \"x\" y\n", "a: [1\n", "a: b: c\n", "a:\n\t- b\n"}) {
    CAPTURE(text);
    Findings findings;
    CHECK_FALSE(parse_document({text, 1}, findings).complete);
    CHECK(findings.failed());
  }
}

TEST_CASE("documents are split at markers only, also with directives, dots and text on the line") {
  CHECK(split_documents("").empty());
  CHECK(split_documents("# only a comment\n---\n---\n# more\n").empty());
  CHECK(split_documents("a: 1\n---\nb: 2\n...\n---\nc: 3").size() == 3);
  CHECK(split_documents("a: |\n  ---\n  text\n").size() == 1);
  CHECK(split_documents("--- {a: 1}\n--- # c\nb: 1\r\n---\r\nc: 1\r\n").size() == 3);
  const auto file = parsed("%YAML 1.2\n---\n" + pod_with(kGoodSpec));
  CHECK(file.diagnostics.empty());
  CHECK(file.objects.size() == 1);
  CHECK(file.objects[0]->place.line == 3);
}

TEST_CASE("JSON and CRLF files are read") {
  CHECK(parsed("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}")
            .objects.size() == 1);
  CHECK(parsed("apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: a\r\n").objects.size() ==
        1);
}

TEST_CASE("lists are taken apart") {
  const auto file = parsed(
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: "
      "a}\n"
      "- apiVersion: v1\n  kind: Namespace\n  metadata: {name: B}\n");
  CHECK(file.objects.size() == 1);
  CHECK(file.refused.size() == 1);
}

TEST_CASE("anchors work, but a billion laughs do not") {
  const auto good = parsed(
      pod_with("spec:\n  containers:\n  - &c\n    name: a\n    resources: &r {limits: {cpu: 1}}\n"
               "  - name: b\n    resources: *r\n"));
  CHECK(good.diagnostics.empty());
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) bomb += fmt::format("{}*a{}", j ? "," : "", i - 1);
    bomb += "]\n";
  }
  const auto file = parsed(bomb);
  CHECK_FALSE(file.complete);
  CHECK(contains(file.diagnostics.at(0).reason, "more than"));
}

TEST_CASE("more aliases than the limit are refused") {
  std::string text = "a: &a 1\nb: [";
  for (std::size_t i = 0; i <= kMaxAliases; ++i) text += "*a,";
  text += "]\n";
  Findings findings;
  CHECK_FALSE(parse_document({text, 1}, findings).complete);
  CHECK(findings.problems().at(0).reason == "more than 100 aliases");
}

TEST_CASE("depth is limited, through aliases too") {
  const auto nested = [](std::size_t n, const std::string& core) {
    return std::string(n, '[') + core + std::string(n, ']');
  };
  Findings good, deep, aliased, absurd;
  CHECK(parse_document({nested(kMaxDepth, "1"), 1}, good).complete);
  CHECK_FALSE(parse_document({nested(kMaxDepth + 1, "1"), 1}, deep).complete);
  const auto text = "a: &a " + nested(40, "1") + "\nb: " + nested(40, "*a") + "\n";
  CHECK_FALSE(parse_document({text, 1}, aliased).complete);
  CHECK_FALSE(parse_document({std::string(100'000, '['), 1}, absurd).complete);
}

TEST_CASE("merge keys, tags, odd keys and self references are refused") {
  for (const char* text :
       {"a: &x {b: 1}\nc:\n  <<: *x\n", "a: !!binary aGk=\n", "a: !custom {b: 1}\n", "? [a]\n: b\n",
        "? {a: b}\n: c\n", "~: 1\n", "a: &a [*a]\n", "a: *nowhere\n"}) {
    CAPTURE(text);
    Findings findings;
    parse_document({text, 1}, findings);
    CHECK(findings.failed());
  }
}

TEST_CASE("files that are too large or not UTF-8 are refused whole") {
  CHECK(only(std::string(kMaxFileBytes + 1, ' ')) == "web.yaml:1:1: larger than 4 MiB");
  CHECK(only("a: 1\nb: \xff\n") == "web.yaml:2:1: is not UTF-8");
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80", "\xc3"}) {
    CHECK_FALSE(parsed(bad).complete);
  }
  CHECK(parsed("# \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n").complete);
}

TEST_CASE("problems of a document are counted beyond a hundred") {
  std::string spec = "spec:\n  containers: [{name: c}]\n";
  for (int i = 0; i < 150; ++i) spec += fmt::format("  x{}: 1\n", i);
  const auto file = parsed(pod_with(spec));
  CHECK(file.diagnostics.size() == kMaxProblems + 1);
  CHECK(file.diagnostics.back().reason == "and 50 more problems");
}

TEST_CASE("random damage to a good file never crashes and never goes unnoticed silently") {
  const auto good = pod_with(kGoodSpec);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (char c : {'\0', '[', '{', '"', '\'', '&', '*', ':', '\n', '\t', '|', '\xff'}) {
      auto bad = good;
      bad[i] = c;
      const auto file = parsed(bad);
      CHECK((file.objects.size() <= 1));
      if (file.objects.empty()) CHECK_FALSE(file.diagnostics.empty());
    }
  }
}

TEST_CASE("unknown kinds are warnings that name them, wrong versions of ours are errors") {
  const auto other = parsed("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\n");
  REQUIRE(other.diagnostics.size() == 1);
  CHECK(other.diagnostics[0].severity == Diagnostic::Severity::kWarning);
  CHECK(contains(other.diagnostics[0].reason, "batch/v1 \"CronJob\""));
  CHECK(other.complete);
  CHECK(only("apiVersion: v1\nkind: Deployment\nmetadata: {name: a}\n") ==
        "web.yaml:1:13: apiVersion: Deployment has no version \"v1\" (did you mean \"apps/v1\"?)");
  CHECK(contains(only("apiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\n"
                      "metadata: {name: a}\n"),
                 "did you mean \"AuthorizationPolicy\"?"));
  CHECK(parsed("kind: Pod\n").diagnostics.at(0).severity == Diagnostic::Severity::kError);
  CHECK(parsed("serving: yes\napiVersion: serving.knative.dev/v1\nkind: Service\n")
            .diagnostics.at(0)
            .severity == Diagnostic::Severity::kWarning);
}

TEST_CASE("names and scopes of objects are checked") {
  const char* start = "apiVersion: v1\nkind: Namespace\n";
  CHECK(contains(only(std::string(start) + "metadata: {name: Shop}\n"), "metadata.name: must be"));
  CHECK(contains(only(std::string(start) + "metadata: {name: a, namespace: b}\n"),
                 "a Namespace has no namespace"));
  CHECK(contains(only(start), "metadata.name: is required"));
  CHECK(contains(only(std::string(start) + "metadata: {name: a, labels: {\"a b\": c}}\n"),
                 "is not a label name"));
  CHECK(contains(only(std::string(start) + "metadata: {name: a, labels: {a: 1}}\n"),
                 "put it in quotes"));
}

TEST_CASE("durations are read as Go writes them") {
  using std::chrono::nanoseconds;
  CHECK(parse_duration("1h30m") == nanoseconds(5'400'000'000'000));
  CHECK(parse_duration("1.5s") == nanoseconds(1'500'000'000));
  CHECK(parse_duration("100ms") == nanoseconds(100'000'000));
  CHECK(parse_duration("2us") == nanoseconds(2000));
  CHECK(parse_duration("2µs") == nanoseconds(2000));
  CHECK(parse_duration("-1m") == nanoseconds(-60'000'000'000));
  CHECK(parse_duration("0") == nanoseconds(0));
  for (const char* bad : {"", "1", "s", "1 s", "1d", ".s", "1.2.3s", "1h-1m", "-", "9999999999h"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("unquoted scalars mean what Kubernetes' tools take them for") {
  CHECK(parse_bool("yes") == true);
  CHECK(parse_bool("OFF") == false);
  CHECK_FALSE(parse_bool("y"));
  CHECK(parse_integer("0644") == 420);
  CHECK(parse_integer("0x1f") == 31);
  CHECK(parse_integer("-12") == -12);
  for (const char* bad : {"", "-", "--1", "0x", "1_000", "1.0", "0x-1", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_integer(bad));
  }
  CHECK(parse_number("1e3") == 1000.0);
  for (const char* bad : {".inf", "nan", "inf", "1.2.3", "10.0.0.1", "1e999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_number(bad));
  }
}

TEST_CASE("the nearest name is suggested, and none when nothing is near") {
  const std::vector<std::string> names = {"principals", "notPrincipals", "ipBlocks"};
  CHECK(nearest("principal", names) == "principals");
  CHECK(nearest("prinicpals", names) == "principals");
  CHECK(nearest("IPBlocks", names) == "ipBlocks");
  CHECK(nearest("hosts", names).empty());
  CHECK(nearest(std::string(1000, 'x'), names).empty());
}
