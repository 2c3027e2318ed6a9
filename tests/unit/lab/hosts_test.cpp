// A pod's hosts file.
#include "lab/hosts.hpp"

#include <doctest/doctest.h>

using namespace culvert;
using namespace culvert::lab;

static Pod make_pod(const char* ns, const char* name, std::uint8_t last, Membership membership) {
  Pod out;
  out.ns = ns;
  out.name = name;
  out.labels = {{"app", name}};
  out.ips = {IpAddress::v4(10, 0, 0, last)};
  out.membership = membership;
  out.ready = true;
  return out;
}
static Service make_service(const char* ns, const char* name, const char* app) {
  Service out;
  out.ns = ns;
  out.name = name;
  out.selector = {{"app", app}};
  out.cluster_ips = {IpAddress::v4(10, 96, 0, 1)};
  return out;
}
static bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a meshed pod finds a service at its ClusterIP in all four forms") {
  const auto pod = make_pod("shop", "web", 1, Membership::kPodLabel);
  const auto text = hosts_file(pod, {make_service("shop", "books", "db")}, {pod});
  CHECK(has(text, "10.96.0.1\tbooks books.shop books.shop.svc books.shop.svc.cluster.local\n"));
  CHECK(has(text, "10.0.0.1\tweb\n"));
  CHECK(has(text, "127.0.0.1\tlocalhost"));
}

TEST_CASE("outside the mesh a service is one of its ready pods, and none when none is ready") {
  const auto web = make_pod("shop", "web", 1, Membership::kMeshOff);
  auto db = make_pod("shop", "db", 2, Membership::kMeshOff);
  const auto service = make_service("shop", "books", "db");
  CHECK(has(hosts_file(web, {service}, {web, db}), "10.0.0.2\tbooks books.shop "));
  db.ready = false;
  CHECK_FALSE(has(hosts_file(web, {service}, {web, db}), "books"));
}

TEST_CASE("the short form is for the service's own namespace") {
  const auto pod = make_pod("other", "web", 1, Membership::kPodLabel);
  CHECK(
      has(hosts_file(pod, {make_service("shop", "books", "db")}, {pod}), "10.96.0.1\tbooks.shop "));
}

TEST_CASE("a headless service is all its ready pods, in the mesh too") {
  const auto web = make_pod("shop", "web", 1, Membership::kPodLabel);
  auto a = make_pod("shop", "db", 2, Membership::kPodLabel), b = a;
  b.ips = {IpAddress::v4(10, 0, 0, 3)};
  auto service = make_service("shop", "books", "db");
  service.headless = true;
  const auto text = hosts_file(web, {service}, {web, a, b});
  CHECK(has(text, "10.0.0.2\tbooks "));
  CHECK(has(text, "10.0.0.3\tbooks "));
}

TEST_CASE("an empty selector, another namespace or a missing label select no pod") {
  const auto pod = make_pod("shop", "db", 1, Membership::kNoLabel);
  CHECK(selects(make_service("shop", "s", "db"), pod));
  CHECK_FALSE(selects(make_service("other", "s", "db"), pod));
  CHECK_FALSE(selects(make_service("shop", "s", "web"), pod));
  Service none = make_service("shop", "s", "db");
  none.selector.clear();
  CHECK_FALSE(selects(none, pod));
}
