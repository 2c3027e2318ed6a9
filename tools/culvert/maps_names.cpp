// Reading the agent's record of pods.
#include "culvert/maps_names.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "culvert/base/fd.hpp"

namespace culvert::cli {
namespace {

constexpr std::size_t kMaxRecord = 16U << 20;

std::string text_of(const nlohmann::json& object, const char* field) {
  const auto it = object.find(field);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

PodNames PodNames::parse(std::string_view json) {
  PodNames names;
  auto record = nlohmann::json::parse(json, nullptr, false);
  if (record.is_object() && record.contains("pods")) record = record["pods"];
  if (!record.is_array()) return names;
  for (const auto& pod : record) {
    if (!pod.is_object()) continue;
    const auto cookie = pod.find("netns_cookie");
    if (cookie == pod.end() || !cookie->is_number_unsigned()) continue;
    const auto number = cookie->get<std::uint64_t>();
    names.names_[number] = text_of(pod, "namespace") + "/" + text_of(pod, "name");
    const auto ips = pod.find("ips");
    if (ips == pod.end() || !ips->is_array()) continue;
    for (const auto& ip : *ips) {
      if (!ip.is_string()) continue;
      if (auto address = IpAddress::parse(ip.get<std::string>()))
        names.addresses_[*address] = number;
    }
  }
  return names;
}

PodNames PodNames::load(const std::string& state_dir) {
  auto text = read_file(state_dir + "/pods.json", kMaxRecord);
  return text ? parse(*text) : PodNames();
}

std::string PodNames::pod(std::uint64_t netns_cookie) const {
  const auto it = names_.find(netns_cookie);
  return it == names_.end() ? fmt::format("netns {}", netns_cookie) : it->second;
}

std::string PodNames::address(const IpAddress& ip) const {
  const auto cookie = cookie_of(ip);
  return cookie ? fmt::format("{} ({})", ip.to_string(), pod(*cookie)) : ip.to_string();
}

std::string PodNames::endpoint(const SocketAddress& address) const {
  const auto cookie = cookie_of(address.ip);
  return cookie ? fmt::format("{} ({})", address.to_string(), pod(*cookie)) : address.to_string();
}

std::optional<std::uint64_t> PodNames::cookie(const std::string& pod) const {
  for (const auto& [number, name] : names_)
    if (name == pod) return number;
  std::uint64_t number = 0;
  const char* end = pod.data() + pod.size();
  const auto parsed = std::from_chars(pod.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return std::nullopt;
}

std::optional<std::uint64_t> PodNames::cookie_of(const IpAddress& ip) const {
  const auto it = addresses_.find(ip);
  if (it == addresses_.end()) return std::nullopt;
  return it->second;
}

}  // namespace culvert::cli
