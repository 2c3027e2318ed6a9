// What control reads: users' text at its own lines, and the lab's state across commands.
#include "lab/config_folder.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::lab;

TEST_CASE("lab-owned documents become empty lines, the rest keeps its lines") {
  const SourceFile file{
      "m.yaml", "/",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\nkind: AuthorizationPolicy\n"
      "metadata: {name: deny}\nspec: {}\n"};
  CHECK(configuration_text(file) ==
        "\n\n\n---\nkind: AuthorizationPolicy\nmetadata: {name: deny}\nspec: {}\n");
}

TEST_CASE("copies keep their file's name, and two files never share one") {
  CHECK(copy_name("a/shop.yaml", {}) == "shop.yaml");
  CHECK(copy_name("b/shop.yml", {{"shop.yaml", "a/shop.yaml"}}) == "shop-2.yaml");
  CHECK(copy_name("a/shop.yaml", {{"shop.yaml", "a/shop.yaml"}}) == "shop.yaml");
  CHECK(copy_name("x/lab.objects.yaml", {}) == "lab.objects-2.yaml");
  CHECK(copy_name("-", {}) == "stdin.yaml");
}

TEST_CASE("a diagnostic's file is the user's own") {
  LabState state;
  state.files = {{"shop.yaml", "my/shop.yml"}};
  CHECK(original_path(state, "/run/culvert/lab/x/config/shop.yaml") == "my/shop.yml");
  CHECK(original_path(state, "shop.yaml") == "my/shop.yml");
  CHECK(original_path(state, "lab.objects.yaml") == "lab.objects.yaml");
}

TEST_CASE("a lab's state survives being written and read") {
  LabState state{.name = "x", .mesh = false, .up = true, .plan = *choose_ranges({})};
  Pod pod;
  pod.name = "web";
  pod.uid = "u";
  pod.ips = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1")};
  pod.membership = Membership::kOptedOut;
  pod.containers = {{.name = "c", .command = {"a"}, .readiness = Probe{.port = "80"}}};
  state.objects.pods = {pod};
  state.ztunnel_flags = {"--same-node=encrypt"};
  const auto out = decode_state(encode_state(state));
  REQUIRE(out);
  CHECK(out->up);
  CHECK_FALSE(out->mesh);
  CHECK(out->plan.pods_v4 == state.plan.pods_v4);
  REQUIRE(out->objects.pods.size() == 1);
  CHECK(out->objects.pods[0].ips == pod.ips);
  CHECK(out->objects.pods[0].membership == Membership::kOptedOut);
  CHECK(out->objects.pods[0].containers.at(0).readiness->port == "80");
  CHECK(out->ztunnel_flags == state.ztunnel_flags);
  CHECK_FALSE(decode_state("{\"name\": 1}"));
  CHECK_FALSE(decode_state("not json"));
}
