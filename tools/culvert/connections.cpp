#include "culvert/connections.hpp"

#include <fmt/format.h>

#include <array>

namespace culvert::cli {
namespace {

std::string text_at(const Json& object, const char* member) {
  const auto found = object.is_object() ? object.find(member) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_at(const Json& object, const char* member) {
  const auto found = object.is_object() ? object.find(member) : object.end();
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Json part(const Json& object, const char* member) {
  return object.is_object() ? object.value(member, Json::object()) : Json::object();
}

// "shop/web 10.0.1.1:4000", or the bare address.
std::string end_words(const Json& party) {
  const std::string pod = text_at(party, "pod"), address = text_at(party, "address");
  return pod.empty() ? address : fmt::format("{}/{} {}", text_at(party, "namespace"), pod, address);
}

// "shop/sa/web" of spiffe://cluster.local/ns/shop/sa/web.
std::string identity_words(const Json& party) {
  const std::string identity = text_at(party, "identity");
  const auto at = identity.find("/ns/");
  if (identity.empty()) return "-";
  return at == std::string::npos ? identity : identity.substr(at + 4);
}

bool is_end(const Json& party, const ConnectionFilter& filter) {
  const std::string ns = text_at(party, "namespace");
  if (!filter.ns.empty() && ns != filter.ns) return false;
  return filter.pod.empty() || ns + "/" + text_at(party, "pod") == filter.pod;
}

}  // namespace

bool ConnectionFilter::takes(const Json& connection) const {
  if (!path.empty() && text_at(connection, "path") != path) return false;
  return is_end(part(connection, "source"), *this) ||
         is_end(part(connection, "destination"), *this);
}

std::string bytes_words(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  const int digits = unit == 0 || value >= 10 ? 0 : 1;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

std::string age_words(std::uint64_t milliseconds) {
  const std::uint64_t s = milliseconds / 1000;
  if (s < 1) return fmt::format("{} ms", milliseconds);
  if (s < 120) return fmt::format("{} s", s);
  if (s < 120 * 60) return fmt::format("{} min", s / 60);
  return s < 48 * 3600 ? fmt::format("{} h", s / 3600) : fmt::format("{} d", s / 86400);
}

std::vector<std::string> connection_cells(const Json& c) {
  const Json source = part(c, "source"), destination = part(c, "destination"), tcp = part(c, "tcp");
  const Json network = part(tcp, "network"), application = part(tcp, "application");
  const bool crosses = !network.empty();
  const bool measured = crosses || !application.empty();
  const std::uint64_t rtt =
      crosses ? number_at(network, "srtt_us") : number_at(application, "rtt_us");
  const std::uint64_t resent = number_at(crosses ? network : application, "retransmits");
  return {text_at(c, "path"),
          end_words(source),
          identity_words(source),
          end_words(destination),
          identity_words(destination),
          bytes_words(number_at(c, "bytes_sent")),
          bytes_words(number_at(c, "bytes_received")),
          age_words(number_at(c, "age_ms")),
          measured ? fmt::format("{:.1f} ms", static_cast<double>(rtt) / 1000) : "-",
          measured ? std::to_string(resent) : "-"};
}

}  // namespace culvert::cli
