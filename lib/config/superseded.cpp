// Old forms that people still paste, moved to where their values stand now. Nothing behind this
// sees them, and none is sent out.
#include "superseded.hpp"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include "gateway_api.pb.h"
#include "istio_objects.pb.h"

namespace culvert::config {
namespace {

namespace v1 = ::istio::networking::v1alpha3;
using google::protobuf::UnknownField, google::protobuf::Value;

/// The wire number of a listener's allowedRoutes while they were a Value.
constexpr int kAllowedRoutesAsValue = 6;

/// Delay and Abort: v1alpha3's whole-numbered percent.
template <class Fault>
void move_percent(Fault& fault, const std::string& path, Findings& findings) {
  if (fault.percent() == 0) return;  // as good as absent: both mean no request
  if (fault.has_percentage()) {
    findings.add(path + ".percent", "is the older form of percentage: only one may be set");
  } else if (fault.percent() < 0 || fault.percent() > 100) {
    findings.add(path + ".percent", "must be from 0 to 100");
  }
  if (!fault.has_percentage()) fault.mutable_percentage()->set_value(fault.percent());
  fault.clear_percent();
}

void move_mirror_percent(v1::HTTPRoute& rule, const std::string& path, Findings& findings) {
  if (!rule.has_mirror_percent()) return;
  if (rule.has_mirror_percentage()) {
    findings.add(path + ".mirrorPercent",
                 "is the older form of mirrorPercentage: only one may be set");
  }
  rule.mutable_mirror_percentage()->set_value(rule.mirror_percent().value());
  rule.clear_mirror_percent();
}

void move_allow_origin(v1::CorsPolicy& cors, const std::string& path, Findings& findings) {
  if (cors.allow_origin_size() > 0 && cors.allow_origins_size() > 0) {
    findings.add(path + ".allowOrigin", "is the older form of allowOrigins: only one may be set");
  }
  for (const auto& origin : cors.allow_origin()) {
    auto& match = *cors.add_allow_origins();
    // It stood for all then; a text that is exactly "*" is no origin.
    if (origin == "*") {
      match.set_regex(".*");
    } else {
      match.set_exact(origin);
    }
  }
  cors.clear_allow_origin();
}

/// It counted what consecutiveGatewayErrors counts, and nothing else (istio/api#617).
void move_consecutive_errors(v1::OutlierDetection& outlier, const std::string& path,
                             Findings& findings) {
  if (outlier.consecutive_errors() == 0) return;
  if (outlier.has_consecutive_gateway_errors() || outlier.has_consecutive_5xx_errors()) {
    findings.add(path + ".consecutiveErrors",
                 "is the older form of consecutiveGatewayErrors: only one may be set");
  }
  if (outlier.consecutive_errors() < 0) {
    findings.add(path + ".consecutiveErrors", "must not be negative");
  } else {
    outlier.mutable_consecutive_gateway_errors()->set_value(
        static_cast<std::uint32_t>(outlier.consecutive_errors()));
    outlier.mutable_consecutive_5xx_errors()->set_value(0);
  }
  outlier.clear_consecutive_errors();
}

template <class Policy>
void move_in_policy(Policy& policy, const std::string& path, Findings& findings) {
  if (policy.has_outlier_detection()) {
    move_consecutive_errors(*policy.mutable_outlier_detection(), path + ".outlierDetection",
                            findings);
  }
}

void move_in_traffic_policy(v1::TrafficPolicy& policy, const std::string& path,
                            Findings& findings) {
  move_in_policy(policy, path, findings);
  for (int i = 0; i < policy.port_level_settings_size(); ++i) {
    move_in_policy(*policy.mutable_port_level_settings(i),
                   fmt::format("{}.portLevelSettings[{}]", path, i), findings);
  }
}

const Value& member(const Value& value, const char* name) {
  const auto& fields = value.struct_value().fields();
  const auto it = fields.find(name);
  return it == fields.end() ? Value::default_instance() : it->second;
}

void move_allowed_routes(const Value& old, api::gateway::AllowedRoutes& routes) {
  const auto& namespaces = member(old, "namespaces");
  const auto& from = member(namespaces, "from");
  const auto& selector = member(namespaces, "selector");
  const auto& kinds = member(old, "kinds");
  const auto is_set = [](const Value& value) { return value.kind_case() != Value::KIND_NOT_SET; };
  // Whatever is no text stays what `from` may not be.
  if (is_set(from)) {
    routes.mutable_namespaces()->set_from(from.has_string_value() ? from.string_value()
                                                                  : from.ShortDebugString());
  }
  if (is_set(selector)) *routes.mutable_namespaces()->mutable_selector() = selector;
  if (is_set(kinds)) *routes.mutable_kinds() = kinds;
}

}  // namespace

void move_superseded(api::gateway::Gateway& object, Findings& findings) {
  for (int i = 0; i < object.spec().listeners_size(); ++i) {
    auto& listener = *object.mutable_spec()->mutable_listeners(i);
    auto& unknown = *listener.GetReflection()->MutableUnknownFields(&listener);
    for (int j = 0; j < unknown.field_count(); ++j) {
      const auto& field = unknown.field(j);
      if (field.number() != kAllowedRoutesAsValue) continue;
      Value old;
      if (field.type() != UnknownField::TYPE_LENGTH_DELIMITED ||
          !old.ParseFromString(field.length_delimited())) {
        findings.add(fmt::format("spec.listeners[{}].allowedRoutes", i), "cannot be read");
      }
      move_allowed_routes(old, *listener.mutable_allowed_routes());
    }
    unknown.DeleteByNumber(kAllowedRoutesAsValue);
  }
}

void move_superseded(api::istio::VirtualService& object, Findings& findings) {
  for (int i = 0; i < object.spec().http_size(); ++i) {
    auto& rule = *object.mutable_spec()->mutable_http(i);
    const auto path = fmt::format("spec.http[{}]", i);
    if (rule.fault().has_delay()) {
      move_percent(*rule.mutable_fault()->mutable_delay(), path + ".fault.delay", findings);
    }
    if (rule.fault().has_abort()) {
      move_percent(*rule.mutable_fault()->mutable_abort(), path + ".fault.abort", findings);
    }
    move_mirror_percent(rule, path, findings);
    if (rule.has_cors_policy()) {
      move_allow_origin(*rule.mutable_cors_policy(), path + ".corsPolicy", findings);
    }
  }
}

void move_superseded(api::istio::DestinationRule& object, Findings& findings) {
  auto& spec = *object.mutable_spec();
  if (spec.has_traffic_policy()) {
    move_in_traffic_policy(*spec.mutable_traffic_policy(), "spec.trafficPolicy", findings);
  }
  for (int i = 0; i < spec.subsets_size(); ++i) {
    auto& subset = *spec.mutable_subsets(i);
    if (!subset.has_traffic_policy()) continue;
    move_in_traffic_policy(*subset.mutable_traffic_policy(),
                           fmt::format("spec.subsets[{}].trafficPolicy", i), findings);
  }
}

}  // namespace culvert::config
