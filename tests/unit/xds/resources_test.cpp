// Wire resources into the model, and what hostile ones are told.
#include "culvert/xds/resources.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "authorization.pb.h"
#include "culvert_workload.pb.h"
#include "workload.pb.h"

using namespace culvert;
namespace pb = istio::workload;
namespace security = istio::security;

namespace {

pb::Address sample_workload() {
  pb::Address a;
  auto* w = a.mutable_workload();
  w->set_uid("Kubernetes//Pod/shop/web");
  w->set_name("web");
  w->set_namespace_("shop");
  w->add_addresses(std::string("\x0a\0\0\1", 4));
  w->set_tunnel_protocol(pb::HBONE);
  return a;
}

Result<xds::Address> parsed(const pb::Address& a) {
  return xds::parse_address(a.SerializeAsString(), "cluster.local");
}

Result<xds::Address> after(const std::function<void(pb::Workload&)>& edit) {
  auto a = sample_workload();
  edit(*a.mutable_workload());
  return parsed(a);
}

Result<mesh::Policy> parsed(const security::Authorization& a) {
  return xds::parse_authorization(a.SerializeAsString());
}

security::Authorization sample_policy() {
  security::Authorization a;
  a.set_name("p");
  a.set_namespace_("shop");
  a.add_rules()->add_clauses()->add_matches();
  return a;
}

security::Match& match_of(security::Authorization& a) {
  return *a.mutable_rules(0)->mutable_clauses(0)->mutable_matches(0);
}

}  // namespace

TEST_CASE("a workload gets the mesh's trust domain and the default account when it names none") {
  const auto a = parsed(sample_workload());
  REQUIRE(a);
  const auto& w = std::get<mesh::Workload>(*a);
  CHECK(w.identity().to_string() == "spiffe://cluster.local/ns/shop/sa/default");
  CHECK(w.protocol == mesh::TunnelProtocol::kHbone);
  CHECK(w.healthy);
  CHECK(w.addresses.at(0).to_string() == "10.0.0.1");
}

TEST_CASE("plaintext ports arrive in our extension, other extensions are skipped") {
  const auto a = after([](pb::Workload& w) {
    w.add_extensions()->set_name("someone-else's");
    auto* e = w.add_extensions();
    e->set_name(std::string(xds::kPlaintextPortsExtension));
    culvert::workload::PlaintextPorts ports;
    ports.add_ports(9090);
    e->mutable_config()->PackFrom(ports);
  });
  REQUIRE(a);
  CHECK(std::get<mesh::Workload>(*a).plaintext_ports == std::vector<std::uint16_t>{9090});
}

TEST_CASE("hostile workloads are refused with a reason") {
  struct Case {
    const char* reason;
    std::function<void(pb::Workload&)> edit;
  };
  const Case cases[] = {
      {"workload without a uid", [](auto& w) { w.clear_uid(); }},
      {"workload address of neither 4 nor 16 bytes", [](auto& w) { w.add_addresses("12345"); }},
      {"workload address of neither 4 nor 16 bytes", [](auto& w) { w.add_addresses(""); }},
      {"unknown tunnel protocol",
       [](auto& w) { w.set_tunnel_protocol(static_cast<pb::TunnelProtocol>(9)); }},
      {"unknown workload status",
       [](auto& w) { w.set_status(static_cast<pb::WorkloadStatus>(9)); }},
      {"unknown workload type",
       [](auto& w) { w.set_workload_type(static_cast<pb::WorkloadType>(-1)); }},
      {"unknown network mode",
       [](auto& w) { w.set_network_mode(static_cast<pb::NetworkMode>(2)); }},
      {"waypoint without a destination", [](auto& w) { w.mutable_waypoint(); }},
      {"waypoint without a hostname", [](auto& w) { w.mutable_waypoint()->mutable_hostname(); }},
      {"port over 65535",
       [](auto& w) { (*w.mutable_services())["a/b"].add_ports()->set_target_port(65536); }},
      {"malformed plaintext-ports extension",
       [](auto& w) { w.add_extensions()->set_name(std::string(xds::kPlaintextPortsExtension)); }},
  };
  for (const auto& c : cases) {
    CAPTURE(c.reason);
    const auto a = after(c.edit);
    REQUIRE_FALSE(a);
    CHECK(a.error().origin == Origin::kControl);
    CHECK(std::string(a.error().text) == c.reason);
  }
  CHECK_FALSE(parsed(pb::Address()));
  CHECK(xds::parse_address("\xff\xff\xff", "td").error().code == ErrorCode::kProtocol);
}

TEST_CASE("a service keeps whole VIPs and SPIFFE names only") {
  pb::Address in;
  auto* s = in.mutable_service();
  s->set_namespace_("shop");
  s->set_hostname("web.shop.svc.cluster.local");
  s->add_addresses()->set_address(std::string("\x0a\x60\0\1", 4));
  auto* prefix = s->add_addresses();
  prefix->set_address(std::string("\x0a\0\0\0", 4));
  prefix->set_length(8);
  s->add_subject_alt_names("spiffe://td/ns/a/sa/b");
  s->add_subject_alt_names("web.example.com");
  s->mutable_waypoint()->mutable_hostname()->set_namespace_("shop");
  s->mutable_waypoint()->mutable_hostname()->set_hostname("wp");
  const auto a = parsed(in);
  REQUIRE(a);
  const auto& out = std::get<mesh::Service>(*a);
  CHECK(out.vips.size() == 1);
  CHECK(out.subject_alt_names.size() == 1);
  CHECK(out.waypoint->hbone_port == 15008);
  CHECK(std::get<std::string>(out.waypoint->destination) == "shop/wp");
  s->clear_hostname();
  CHECK_FALSE(parsed(in));
}

TEST_CASE("a policy's fields reach the model") {
  auto in = sample_policy();
  in.set_scope(security::WORKLOAD_SELECTOR);
  in.set_action(security::DENY);
  in.set_dry_run(true);
  auto& m = match_of(in);
  m.add_namespaces()->set_prefix("sh");
  m.add_not_principals()->mutable_presence();
  m.add_service_accounts()->set_namespace_("shop");
  m.add_destination_ports(8080);
  auto* ip = m.add_source_ips();
  ip->set_address(std::string("\x0a\0\0\0", 4));
  ip->set_length(8);
  const auto p = parsed(in);
  REQUIRE(p);
  CHECK(p->scope == mesh::Policy::Scope::kWorkload);
  CHECK(p->action == mesh::Policy::Action::kDeny);
  CHECK(p->dry_run);
  const auto& out = p->rules.at(0).clauses.at(0).matches.at(0);
  CHECK(out.namespaces.at(0).kind == mesh::StringMatch::Kind::kPrefix);
  CHECK(out.not_principals.at(0).kind == mesh::StringMatch::Kind::kPresence);
  CHECK(out.service_accounts.at(0).ns == "shop");
  CHECK(out.source_ips.at(0).to_string() == "10.0.0.0/8");
}

TEST_CASE("hostile policies are refused with a reason") {
  struct Case {
    const char* reason;
    std::function<void(security::Authorization&)> edit;
  };
  const Case cases[] = {
      {"policy without a name", [](auto& a) { a.clear_name(); }},
      {"unknown policy scope", [](auto& a) { a.set_scope(static_cast<security::Scope>(3)); }},
      {"unknown policy action", [](auto& a) { a.set_action(static_cast<security::Action>(2)); }},
      {"string match of unknown type", [](auto& a) { match_of(a).add_principals(); }},
      {"port over 65535", [](auto& a) { match_of(a).add_destination_ports(65536); }},
      {"policy address of neither 4 nor 16 bytes",
       [](auto& a) { match_of(a).add_source_ips()->set_address("123"); }},
      {"policy prefix longer than its address",
       [](auto& a) {
         auto* ip = match_of(a).add_source_ips();
         ip->set_address("1234");
         ip->set_length(33);
       }},
  };
  for (const auto& c : cases) {
    CAPTURE(c.reason);
    auto in = sample_policy();
    c.edit(in);
    const auto p = parsed(in);
    REQUIRE_FALSE(p);
    CHECK(std::string(p.error().text) == c.reason);
  }
  CHECK(xds::parse_authorization("\xff").error().code == ErrorCode::kProtocol);
}

TEST_CASE("a match with an unknown extension never allows, and denies by its other fields") {
  auto in = sample_policy();
  match_of(in).add_extensions()->set_name("new");
  match_of(in).add_destination_ports(80);
  CHECK(parsed(in)->rules[0].clauses[0].matches[0].never);
  in.set_action(security::DENY);
  CHECK_FALSE(parsed(in)->rules[0].clauses[0].matches[0].never);
  match_of(in).clear_destination_ports();
  CHECK(parsed(in)->rules[0].clauses[0].matches.empty());  // holds for every connection
}
