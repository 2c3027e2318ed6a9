// conformance-decide: answers the questions of the tables by lib/l7 alone. Reads one JSON document
// on standard input: groups of services, objects (YAML, as a person writes them) and requests; and
// writes what each request comes to. `conformance-decide --schema` prints the API's fields.
#include <iostream>
#include <iterator>

#include "answer.hpp"
#include "culvert/config/parse.hpp"
#include "culvert/l7/compiler.hpp"
#include "istio_objects.pb.h"

namespace culvert::conformance {
namespace {

using nlohmann::json;

mesh::ServicePtr make_service(const std::string& ns, const std::string& host,
                              const std::vector<std::uint16_t>& ports) {
  auto made = std::make_shared<mesh::Service>();
  made->ns = ns;
  made->name = host.substr(0, host.find('.'));
  made->hostname = host;
  for (const auto port : ports) made->ports.push_back({port, 8080, mesh::AppProtocol::kHttp11});
  return made;
}

Script read_script(const json& from) {
  Script script;
  script.subset = from.at("subset");
  script.times = from.at("times");
  script.status = from.value("status", std::uint16_t{0});
  script.header = from.value("header", "");
  if (from.contains("grpcStatus")) script.grpc_status = from.at("grpcStatus");
  script.wait = std::chrono::milliseconds(from.value("waitMs", 0));
  return script;
}

/// One group: objects compiled as a waypoint compiles them.
class Group {
 public:
  explicit Group(const json& from)
      : compiler_({"cluster.local", "istio-system", from.value("ownNamespace", "shop")}) {
    for (const auto& one : from.at("services")) {
      compiler_.put(make_service(one.at("namespace"), one.at("host"), one.at("ports")));
    }
    const auto file = config::parse_file("objects.yaml", from.at("objects").get<std::string>());
    for (const auto& finding : file.diagnostics) told_.push_back(finding.to_string());
    for (const auto& object : file.objects) put(object);
    for (const auto& refused : file.refused) put_refused(refused);
    table_ = compiler_.compile();
  }

  json answers(const json& asks) {
    json out = json::array();
    for (const auto& ask : asks) {
      const auto asked = read_asked(ask);
      out.push_back(asked.times > 1 ? draws(*table_, asked, random_)
                                    : answer(*table_, asked, random_));
      if (ask.contains("script")) {
        out.back()["played"] = play(*table_, asked, read_script(ask.at("script")), random_);
      }
    }
    json reports = json::object();
    for (const auto& [ns, name] : names_) {
      const auto report = compiler_.report(ns, name);
      reports[ns + "/" + name] = {
          {"inForce", report.in_force}, {"lines", report.lines}, {"unknown", report.unknown}};
    }
    return {{"diagnostics", told_}, {"answers", out}, {"reports", reports}};
  }

 private:
  template <class Spec, class Message>
  static std::shared_ptr<const Spec> spec_of(const config::ObjectPtr& object) {
    return {object->message, &config::message_as<Message>(*object).spec()};
  }

  /// Objects later in the text are younger.
  void put(const config::ObjectPtr& object) {
    namespace v1 = ::istio::networking::v1alpha3;
    const auto& key = object->key;
    ++age_;
    if (key.kind == "VirtualService") {
      compiler_.put(l7::VirtualServiceObject{
          key.ns, key.name, age_, spec_of<v1::VirtualService, api::istio::VirtualService>(object)});
      names_.emplace_back(key.ns, key.name);
    } else if (key.kind == "DestinationRule") {
      compiler_.put(l7::DestinationRuleObject{
          key.ns, key.name, age_,
          spec_of<v1::DestinationRule, api::istio::DestinationRule>(object)});
    } else if (key.kind == "ServiceEntry") {
      const auto& spec = config::message_as<api::istio::ServiceEntry>(*object).spec();
      for (const auto& host : spec.hosts()) {
        std::vector<std::uint16_t> ports;
        for (const auto& port : spec.ports()) {
          ports.push_back(static_cast<std::uint16_t>(port.number()));
        }
        compiler_.put(make_service(key.ns, host, ports));
      }
    }
  }

  /// As control sends an object that never was good.
  void put_refused(const config::RefusedObject& refused) {
    if (refused.key.kind == "DestinationRule" && !refused.hosts.empty()) {
      auto rule = std::make_shared<::istio::networking::v1alpha3::DestinationRule>();
      rule->set_host(refused.hosts.front());
      compiler_.put(
          l7::DestinationRuleObject{refused.key.ns, refused.key.name, ++age_, rule, true});
    }
    if (refused.key.kind != "VirtualService") return;
    auto spec = std::make_shared<::istio::networking::v1alpha3::VirtualService>();
    for (const auto& host : refused.hosts) spec->add_hosts(host);
    compiler_.put(l7::VirtualServiceObject{refused.key.ns, refused.key.name, ++age_, spec, true});
  }

  l7::Compiler compiler_;
  l7::RouteTablePtr table_;
  l7::Random random_{1};
  std::int64_t age_ = 0;
  std::vector<std::string> told_;
  std::vector<std::pair<std::string, std::string>> names_;
};

}  // namespace
}  // namespace culvert::conformance

int main(int argc, char** argv) {
  using nlohmann::json;
  if (argc > 1 && std::string_view(argv[1]) == "--schema") {
    std::cout << culvert::conformance::schema().dump() << "\n";
    return 0;
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto groups = json::parse(text, nullptr, false);
  if (!groups.is_array()) {
    std::cerr << "conformance-decide: standard input is no list of groups\n";
    return 2;
  }
  json out = json::array();
  for (const auto& group : groups) {
    out.push_back(culvert::conformance::Group(group).answers(group.at("asks")));
  }
  std::cout << out.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  return 0;
}
