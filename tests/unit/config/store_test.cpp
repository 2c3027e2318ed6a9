// What stays in force when files go bad, move, collide or disappear.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "culvert/config/folder.hpp"
#include "culvert/config/gateways.hpp"
#include "culvert/config/object_store.hpp"

using namespace culvert;
using namespace culvert::config;

namespace {

std::string ns(const std::string& name, const std::string& label = "x") {
  return "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " + name +
         ", labels: {l: " + label + "}}\n";
}
std::string bad_ns(const std::string& name) {
  return "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\nspek: {}\n";
}
ObjectKey key(const std::string& name) {
  return {"Namespace", "", name};
}

using Files = std::map<std::string, std::string>;
LoadReport load(ObjectStore& store, const Files& files) {
  std::vector<ParsedFile> parsed;
  for (const auto& [name, text] : files) parsed.push_back(parse_file(name, text));
  return store.load(std::move(parsed));
}

}  // namespace

TEST_CASE("a load tells what was added, changed and removed") {
  ObjectStore store;
  auto r = load(store, {{"a.yaml", ns("a") + ns("b")}});
  CHECK(r.changes.added.size() == 2);
  CHECK(store.generation() == 1);
  r = load(store, {{"a.yaml", ns("a", "y") + ns("c")}});
  CHECK(r.changes.added == std::vector{key("c")});
  CHECK(r.changes.changed == std::vector{key("a")});
  CHECK(r.changes.removed == std::vector{key("b")});
  r = load(store, {{"a.yaml", "# moved down\n" + ns("a", "y") + ns("c")}});
  CHECK(r.changes.empty());
  CHECK(store.generation() == 2);
}

TEST_CASE("a bad object keeps its last good state and the rest of the file holds") {
  ObjectStore store;
  load(store, {{"a.yaml", ns("a") + ns("b")}});
  const auto before = store.objects()->at(key("a"));
  const auto r = load(store, {{"a.yaml", bad_ns("a") + ns("b", "y") + ns("c")}});
  CHECK(store.objects()->at(key("a")) == before);
  CHECK(r.changes.changed == std::vector{key("b")});
  CHECK(r.changes.added == std::vector{key("c")});
  REQUIRE(r.conditions.size() == 1);
  CHECK(r.conditions[0].object == key("a"));
  CHECK_FALSE(r.conditions[0].status);
  CHECK(r.conditions[0].reason == "LastGoodInForce");
  CHECK(r.diagnostics.size() == 1);
}

TEST_CASE("an object that never was good is refused and reported, not defaulted") {
  ObjectStore store;
  const auto r = load(store, {{"a.yaml", bad_ns("a")}});
  CHECK(store.objects()->empty());
  REQUIRE(r.conditions.size() == 1);
  CHECK(r.conditions[0].reason == "Refused");
  CHECK(r.diagnostics.at(0).object == "Namespace a");
}

TEST_CASE("a syntax error removes nothing that came from its file") {
  ObjectStore store;
  load(store, {{"a.yaml", ns("a") + ns("b")}, {"b.yaml", ns("c")}});
  auto r = load(store, {{"a.yaml", ns("a") + "---\n{[broken\n"}, {"b.yaml", ns("d")}});
  CHECK(store.objects()->contains(key("b")));        // may be what the broken document was
  CHECK_FALSE(store.objects()->contains(key("c")));  // another, complete file
  CHECK(r.conditions.size() == 1);
  r = load(store, {{"a.yaml", ns("a")}, {"b.yaml", ns("d")}});
  CHECK(r.changes.removed == std::vector{key("b")});
  CHECK(r.conditions.empty());
}

TEST_CASE("the same object twice is an error that names both places, and neither is taken") {
  ObjectStore store;
  load(store, {{"a.yaml", ns("a", "old")}});
  const auto before = store.objects()->at(key("a"))->bytes;
  const auto r = load(store, {{"a.yaml", ns("a", "new")},
                              {"b.yaml", "\n" + ns("a", "other") + ns("n")},
                              {"c.yaml", ns("n")}});
  CHECK(store.objects()->at(key("a"))->bytes == before);
  CHECK_FALSE(store.objects()->contains(key("n")));
  REQUIRE(r.diagnostics.size() == 4);
  CHECK(r.diagnostics[0].to_string() ==
        "a.yaml:2:1: Namespace a: the same object is also at b.yaml:3");
  CHECK(r.diagnostics[1].reason == "the same object is also at a.yaml:2");
}

TEST_CASE("an object can move between files") {
  ObjectStore store;
  load(store, {{"a.yaml", ns("a")}});
  const auto r = load(store, {{"b.yaml", ns("a")}});
  CHECK(r.changes.empty());
  CHECK(store.objects()->at(key("a"))->place.file == "b.yaml");
}

TEST_CASE("a map handed out earlier does not change") {
  ObjectStore store;
  load(store, {{"a.yaml", ns("a")}});
  const auto held = store.objects();
  load(store, {});
  CHECK(held->size() == 1);
  CHECK(store.objects()->empty());
}

TEST_CASE("a folder is read in the order of names without hidden and other files") {
  const auto dir = std::filesystem::temp_directory_path() /
                   ("culvert-config-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(dir / name) << text;
  };
  write("b.yml", ns("b"));
  write("a.yaml", ns("a"));
  write("c.json", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}})");
  write(".hidden.yaml", ns("h"));
  write("notes.txt", "hello");
  write("big.yaml", std::string(kMaxFileBytes + 1, ' '));
  std::filesystem::create_directory(dir / "d.yaml");
  Folder folder(dir.string());
  REQUIRE(folder.read());
  std::filesystem::remove_all(dir);
  const auto files = folder.files();
  REQUIRE(files.size() == 5);
  CHECK(files[0]->file == "a.yaml");
  CHECK(files[1]->file == "b.yml");
  CHECK_FALSE(files[2]->complete);
  CHECK(files[2]->diagnostics.at(0).reason == "larger than 4 MiB");
  CHECK(files[3]->file == "c.json");
  CHECK_FALSE(files[4]->complete);
  CHECK(folder.read().error().sys_errno == ENOENT);
  CHECK(folder.read_named({"a.yaml"}).error().sys_errno == ENOENT);
  CHECK(folder.files() == files);
}

TEST_CASE("hosts of a VirtualService that is refused and never was good are known") {
  const auto service = [](const std::string& name, const std::string& spec) {
    return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
           name + ", namespace: shop}\nspec: " + spec + "\n";
  };
  const std::string rules = "http: [{route: [{destination: {host: a}}]}]}";
  ObjectStore store;
  load(store, {{"a.yaml", service("bad", "{hosts: [a, \"*.b\"], htp: []}") +
                              service("text", "{hosts: c, " + rules) + service("none", "{}") +
                              service("twice", "{hosts: [d], " + rules)},
               {"b.yaml", service("twice", "{hosts: [e], " + rules) +
                              service("good", "{hosts: [f], " + rules)}});
  std::map<std::string, std::vector<std::string>> hosts;
  for (const auto& one : store.refused()) {
    auto& all = hosts[one.key.name];
    all.insert(all.end(), one.hosts.begin(), one.hosts.end());
  }
  CHECK(hosts == std::map<std::string, std::vector<std::string>>{
                     {"bad", {"a", "*.b"}}, {"none", {}}, {"text", {"c"}}, {"twice", {"d", "e"}}});
  // With a last good state it is not among them.
  load(store, {{"b.yaml", service("good", "{hosts: g, " + rules)}});
  CHECK(store.refused().empty());
}

TEST_CASE("gateways of a refused VirtualService are known, and a change of refusals is a change") {
  const auto object = [](const std::string& spec) {
    return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, "
           "namespace: shop}\nspec: " +
           spec + "\n";
  };
  ObjectStore store;
  load(store, {{"a.yaml", object("{hosts: [a], gateways: [mesh, front], htp: []}")}});
  REQUIRE(store.refused().size() == 1);
  CHECK(store.refused()[0].gateways == std::vector<std::string>{"mesh", "front"});
  const auto before = store.generation();
  load(store, {{"a.yaml", "\n" + object("{hosts: [a], gateways: [mesh, front], htp: []}")}});
  CHECK(store.generation() == before);  // the same, a line further down
  load(store, {{"a.yaml", object("{hosts: [a, b], gateways: [mesh, front], htp: []}")}});
  CHECK(store.generation() == before + 1);
  load(store, {});
  CHECK(store.generation() == before + 2);
}

TEST_CASE("what starts pods knows of Gateways without their messages") {
  const auto text = [](const std::string& yaml) {
    const auto parsed = parse_file("f.yaml", yaml);
    REQUIRE(parsed.objects.size() == 1);
    return gateway_text(*parsed.objects[0]);
  };
  CHECK(std::holds_alternative<IstioGatewayText>(
      text("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: "
           "shop}\nspec: {selector: {istio: in}, servers: [{port: {number: 80, name: a, protocol: "
           "HTTP}, hosts: [\"*\"]}]}\n")));
  const auto waypoint = std::get<KubernetesGatewayText>(
      text("apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, "
           "namespace: shop, annotations: {a: b}}\nspec: {gatewayClassName: c}\n"));
  CHECK(waypoint.class_name == "c");
  CHECK(waypoint.annotations.at("a") == "b");
  CHECK(std::holds_alternative<std::monostate>(
      text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")));
}
