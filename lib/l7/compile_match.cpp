// Conditions of rules, from their messages.
#include "compile_rule.hpp"
#include "read.hpp"
#include "virtual_service.pb.h"

namespace culvert::l7 {
namespace {

namespace v1 = ::istio::networking::v1alpha3;

/// Sorted by name, whatever the map's order.
bool compile_named(const google::protobuf::Map<std::string, v1::StringMatch>& from,
                   RegexCache& regexes, bool headers, std::vector<NamedMatch>& out) {
  const std::map<std::string, v1::StringMatch> sorted(from.begin(), from.end());
  for (const auto& [name, match] : sorted) {
    auto text = compile_text(match, regexes);
    if (!text) return false;
    out.push_back({headers ? lower_case(name) : name, std::move(*text)});
  }
  return true;
}

}  // namespace

std::shared_ptr<const Regex> RegexCache::get(const std::string& pattern) {
  auto& known = patterns_[pattern];
  if (auto made = known.lock()) return made;
  auto compiled = Regex::compile(pattern);
  if (!compiled) {
    patterns_.erase(pattern);
    return nullptr;
  }
  auto made = std::make_shared<const Regex>(std::move(*compiled));
  known = made;
  return made;
}

void RegexCache::sweep() {
  std::erase_if(patterns_, [](const auto& entry) { return entry.second.expired(); });
}

std::optional<TextMatch> compile_text(const v1::StringMatch& from, RegexCache& regexes,
                                      bool ignore_case) {
  TextMatch match;
  switch (from.match_type_case()) {
    case v1::StringMatch::kExact:
      match.kind = TextMatch::Kind::kExact;
      match.text = from.exact();
      break;
    case v1::StringMatch::kPrefix:
      match.kind = TextMatch::Kind::kPrefix;
      match.text = from.prefix();
      break;
    case v1::StringMatch::kRegex:
      match.kind = TextMatch::Kind::kRegex;
      match.text = from.regex();
      match.regex = regexes.get(from.regex());
      if (!match.regex) return std::nullopt;
      return match;
    case v1::StringMatch::MATCH_TYPE_NOT_SET:
      return match;
  }
  match.ignore_case = ignore_case;
  if (ignore_case) match.text = lower_case(match.text);
  return match;
}

std::optional<RequestMatch> compile_match(const v1::HTTPMatchRequest& from, RuleContext& context) {
  RequestMatch out;
  auto& regexes = context.regexes;
  out.name = from.name();
  out.stat_prefix = from.stat_prefix();
  if (from.has_uri()) {
    out.uri = compile_text(from.uri(), regexes, from.ignore_uri_case());
    if (!out.uri) return std::nullopt;
    if (out.uri->regex) out.uri->literal_prefix = out.uri->regex->literal_prefix();
  }
  const auto take = [&](bool has, const v1::StringMatch& text, std::optional<TextMatch>& to) {
    if (has) to = compile_text(text, regexes);
    return !has || to.has_value();
  };
  if (!take(from.has_scheme(), from.scheme(), out.scheme) ||
      !take(from.has_method(), from.method(), out.method) ||
      !take(from.has_authority(), from.authority(), out.authority) ||
      !compile_named(from.headers(), regexes, true, out.headers) ||
      !compile_named(from.without_headers(), regexes, true, out.without_headers) ||
      !compile_named(from.query_params(), regexes, false, out.query_params)) {
    return std::nullopt;
  }
  if (from.port() > UINT16_MAX) return std::nullopt;
  out.port = static_cast<std::uint16_t>(from.port());
  for (const auto& [key, value] : from.source_labels()) out.source_labels.emplace_back(key, value);
  std::ranges::sort(out.source_labels);
  out.source_namespace = from.source_namespace();
  for (const auto& gateway : from.gateways()) {
    out.gateways.push_back(full_gateway(gateway, context.ns));
  }
  return out;
}

std::string full_gateway(std::string_view gateway, std::string_view ns) {
  if (gateway == kMesh || gateway.contains('/')) return std::string(gateway);
  return std::string(ns) + "/" + std::string(gateway);
}

std::string full_host(std::string_view host, std::string_view ns, std::string_view domain) {
  auto out = lower_case(host);
  if (out.empty() || out == "*") return out;
  if (out.ends_with(".svc") && !out.starts_with('*')) return out + "." + std::string(domain);
  if (out.contains('.') || IpAddress::parse(out)) return out;
  return out + "." + std::string(ns) + ".svc." + std::string(domain);
}

}  // namespace culvert::l7
