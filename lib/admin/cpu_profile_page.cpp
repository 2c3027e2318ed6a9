#include "culvert/admin/cpu_profile_page.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace culvert::admin {
namespace {

constexpr int kDefaultSeconds = 10;
constexpr int kDefaultHertz = 100;

std::optional<int> number(const Request& request, const char* key, int otherwise, int most) {
  const auto asked = request.query.find(key);
  if (asked == request.query.end()) return otherwise;
  const std::string& text = asked->second;
  int value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < 1 || value > most) return std::nullopt;
  return value;
}

}  // namespace

Response cpu_profile_page(telemetry::CpuProfiler& profiler, const Request& request) {
  constexpr int kMostSeconds = static_cast<int>(telemetry::kMaxProfileTime.count());
  const auto seconds = number(request, "seconds", kDefaultSeconds, kMostSeconds);
  const auto hertz = number(request, "frequency", kDefaultHertz, telemetry::kMaxProfileHertz);
  if (!seconds || !hertz) {
    return error_response(400, "seconds or frequency cannot be asked for",
                          fmt::format("seconds=1 to {}, frequency=1 to {}", kMostSeconds,
                                      telemetry::kMaxProfileHertz));
  }
  auto profile = profiler.run(std::chrono::seconds(*seconds), *hertz);
  if (!profile && profile.error().code == ErrorCode::kLimit) {
    return error_response(409, "another profile is being taken", "ask again when it ends");
  }
  if (!profile) return error_response(503, profile.error().to_string(), "ask again");
  return {.status = 200,
          .body = std::move(*profile),
          .content_type = "application/octet-stream",
          .headers = {{"Content-Disposition", "attachment; filename=\"profile.pb.gz\""}},
          .compressed = true};
}

}  // namespace culvert::admin
