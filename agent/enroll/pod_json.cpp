#include "pod_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace culvert::agent {
namespace {

using Json = nlohmann::json;

constexpr int kFileVersion = 1;
constexpr const char* kPodExample =
    R"(send {"uid","namespace","name","service_account","netns":"/run/netns/...","ips":["10.0.0.5"]})";

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}
bool is_uid_byte(char c) {
  return is_name_byte(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

struct NameRule {
  const char* member;
  std::size_t max_bytes;
  bool (*allowed)(char);
};
constexpr NameRule kUid{"uid", kMaxUidBytes, is_uid_byte};
constexpr NameRule kNamespace{"namespace", kMaxNamespaceBytes, is_name_byte};
constexpr NameRule kName{"name", kMaxNameBytes, is_name_byte};
constexpr NameRule kServiceAccount{"service_account", kMaxNameBytes, is_name_byte};

Outcome<std::string> name_member(const Json& object, const NameRule& rule) {
  const char* member = rule.member;
  const auto found = object.find(member);
  if (found == object.end() || !found->is_string()) {
    return problem(fmt::format("\"{}\" is missing or no string", member), kPodExample);
  }
  auto text = found->get<std::string>();
  if (text.empty() || text.size() > rule.max_bytes || !std::ranges::all_of(text, rule.allowed)) {
    return problem(fmt::format("\"{}\" is no valid name", member),
                   fmt::format("use 1 to {} small letters, digits, '-' and '.'", rule.max_bytes));
  }
  return text;
}

Outcome<std::string> netns_member(const Json& object) {
  const auto found = object.find("netns");
  if (found == object.end() || !found->is_string()) {
    return problem("\"netns\" is missing or no string", kPodExample);
  }
  auto path = found->get<std::string>();
  const bool printable = std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7f; });
  if (path.size() > kMaxNetnsPathBytes || !path.starts_with('/') || !printable) {
    return problem("\"netns\" is no absolute path",
                   "name the file of the network namespace, e.g. /run/netns/POD");
  }
  return path;
}

bool is_multicast(const IpAddress& ip) {
  return ip.is_v4() ? (ip.bytes[12] & 0xf0) >= 0xe0 : ip.bytes[0] == 0xff;
}

Outcome<std::vector<IpAddress>> ips_member(const Json& object) {
  const auto found = object.find("ips");
  if (found == object.end() || !found->is_array() || found->empty() || found->size() > kMaxPodIps) {
    return problem(fmt::format("\"ips\" is no list of 1 to {} addresses", kMaxPodIps), kPodExample);
  }
  std::vector<IpAddress> out;
  for (const Json& item : *found) {
    const auto ip = item.is_string() ? IpAddress::parse(item.get<std::string>()) : std::nullopt;
    if (!ip)
      return problem("\"ips\" holds something that is no IP address",
                     "write \"10.0.0.5\" or \"fd00::5\"");
    if (ip->is_loopback() || ip->is_unspecified() || ip->is_link_local() || is_multicast(*ip)) {
      return problem(
          fmt::format("\"ips\": {} cannot be a pod's address", ip->to_string()),
          "name the addresses of the pod's eth0; host-network pods are never in the mesh");
    }
    out.push_back(*ip);
  }
  return out;
}

Outcome<PodSpec> parse_object(const Json& object, const std::set<std::string>& also_allowed) {
  static const std::set<std::string> kMembers{"uid",   "namespace", "name", "service_account",
                                              "netns", "ips",       "guard"};
  if (!object.is_object()) return problem("a pod is no JSON object", kPodExample);
  for (const auto& [member, value] : object.items()) {
    if (kMembers.contains(member) || also_allowed.contains(member)) continue;
    return problem("unknown member in a pod", kPodExample);
  }
  PodSpec spec;
  for (const auto& [rule, into] :
       {std::pair{&kUid, &spec.uid}, std::pair{&kNamespace, &spec.pod_namespace},
        std::pair{&kName, &spec.name}, std::pair{&kServiceAccount, &spec.service_account}}) {
    auto text = name_member(object, *rule);
    if (!text) return std::unexpected(text.error());
    *into = std::move(*text);
  }
  auto netns = netns_member(object);
  if (!netns) return std::unexpected(netns.error());
  auto ips = ips_member(object);
  if (!ips) return std::unexpected(ips.error());
  spec.netns = std::move(*netns);
  spec.ips = std::move(*ips);
  if (const auto found = object.find("guard"); found != object.end()) {
    spec.guard = found->is_string() ? parse_guard_mode(found->get<std::string>()) : std::nullopt;
    if (!spec.guard)
      return problem("\"guard\" is no mode of the guard", "write strict, observe or off");
  }
  return spec;
}

}  // namespace

Outcome<PodSpec> parse_pod(std::string_view json) {
  const Json object = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) return problem("the body is no JSON", kPodExample);
  return parse_object(object, {});
}

std::string format_pods(std::span<const Pod> pods, std::string_view boot_id) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Pod& pod : pods) {
    std::vector<std::string> ips;
    for (const IpAddress& ip : pod.spec.ips) ips.push_back(ip.to_string());
    list.push_back({{"uid", pod.spec.uid},
                    {"namespace", pod.spec.pod_namespace},
                    {"name", pod.spec.name},
                    {"service_account", pod.spec.service_account},
                    {"netns", pod.spec.netns},
                    {"ips", ips},
                    {"netns_cookie", pod.netns_cookie}});
    if (pod.spec.guard) list.back()["guard"] = guard_mode_name(*pod.spec.guard);
  }
  const nlohmann::ordered_json file = {
      {"version", kFileVersion}, {"boot_id", boot_id}, {"pods", list}};
  return file.dump(1) + "\n";
}

Outcome<std::vector<Pod>> parse_pods(std::string_view json, std::string_view boot_id) {
  const Json file = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object() || !file.contains("version") || !file.contains("pods") ||
      !file["pods"].is_array()) {
    return problem("it is no list of pods");
  }
  if (file["version"] != kFileVersion) return problem("it was written by another version");
  std::vector<Pod> out;
  if (file.value("boot_id", Json()) != boot_id) return out;
  for (const Json& item : file["pods"]) {
    auto spec = parse_object(item, {"netns_cookie"});
    if (!spec) return std::unexpected(spec.error());
    const auto cookie = item.find("netns_cookie");
    if (cookie == item.end() || !cookie->is_number_unsigned())
      return problem("a pod has no netns cookie");
    out.push_back({std::move(*spec), cookie->get<std::uint64_t>()});
  }
  return out;
}

}  // namespace culvert::agent
