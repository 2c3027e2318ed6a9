#include "waypoint/telemetry/tap_page.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace culvert::waypoint {

admin::Response tap_page(Tap& tap, const admin::Request& request) {
  auto after = std::numeric_limits<std::uint64_t>::max();
  if (const auto asked = request.query.find("after"); asked != request.query.end()) {
    const std::string& text = asked->second;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), after);
    if (wrong != std::errc{} || end != text.data() + text.size()) {
      return admin::error_response(400, "after is no number", "?after=N, with N from next");
    }
  }
  const auto batch = tap.read(after, std::chrono::steady_clock::now());
  std::string body = fmt::format("{{\"next\":{},\"lost\":{}}}\n", batch.next, batch.lost);
  for (const auto& line : batch.events) body.append(line).append("\n");
  return {.status = 200, .body = std::move(body)};
}

}  // namespace culvert::waypoint
