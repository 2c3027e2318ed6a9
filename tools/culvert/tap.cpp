#include "culvert/tap.hpp"

#include <fmt/format.h>

#include <string_view>

namespace culvert::cli {
namespace {

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  std::string out = found->get<std::string>();
  // A terminal obeys what it is shown.
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return out;
}

std::int64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// "shop/web-0"; empty when nobody is known.
std::string who(const Json& object, const std::string& end) {
  const std::string name = text(object, (end + "_workload").c_str());
  return name.empty() ? name : text(object, (end + "_namespace").c_str()) + "/" + name;
}

std::string attempt_text(const Json& attempt, std::size_t index) {
  const std::string name = who(attempt, "destination");
  const auto status = number(attempt, "response_code");
  return fmt::format("    attempt {}: {} {}{} after {} ms\n", index,
                     name.empty() ? text(attempt, "upstream_host") : name,
                     status == 0 ? text(attempt, "end") : std::to_string(status),
                     status == 0 || text(attempt, "end") == "answered"
                         ? std::string()
                         : ", then " + text(attempt, "end"),
                     attempt.value("duration_ms", 0.0));
}

std::string start_text(const Json& event) {
  const std::string from = who(event, "source");
  return fmt::format("{} {} {} {}{}", text(event, "start_time"),
                     from.empty() ? text(event, "downstream_remote_address") : from,
                     text(event, "method"), text(event, "authority"), text(event, "path"));
}

std::string rule_text(const Json& event) {
  const std::string rule = text(event, "route_name"), object = text(event, "virtual_service");
  const auto index = event.contains("rule") ? fmt::format(" http[{}]", number(event, "rule")) : "";
  if (object.empty()) return rule.empty() ? "" : " by " + rule;
  return fmt::format(" by {}{}{}", rule.empty() ? "" : rule + " of ", object, index);
}

std::string destination_text(const Json& event) {
  const std::string to = who(event, "destination");
  return fmt::format(" to {} {}", to.empty() ? "nobody of the mesh" : to,
                     text(event, "upstream_host"));
}

std::string under_way_text(const Json& event, std::chrono::milliseconds under_way) {
  const auto attempt = number(event, "attempts"), status = number(event, "response_code");
  std::string out = fmt::format("{} under way for {:.1f} s", start_text(event),
                                std::chrono::duration<double>(under_way).count());
  if (status != 0) {
    out += fmt::format(", answered {}", status);
  } else if (attempt > 1) {
    out += fmt::format(", attempt {}", attempt);
  } else {
    out += ", no answer yet";
  }
  out += rule_text(event);
  if (attempt > 0) out += destination_text(event);
  return out + '\n';
}

}  // namespace

bool is_end(const Json& event) {
  const auto kind = text(event, "event");
  return kind != "begin" && kind != "attempt" && kind != "answer";
}

bool is_tap_status(const std::string& text) {
  if (text.size() != 3 || text[0] < '1' || text[0] > '9') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.substr(1) == "xx" || (digit(text[1]) && digit(text[2]));
}

bool TapFilter::takes(const Json& request) const {
  if (!service.empty() && text(request, "destination_service") != service) return false;
  if (!pod.empty() && who(request, "destination") != pod) return false;
  if (!from.empty() && who(request, "source") != from &&
      text(request, "source_namespace") != from) {
    return false;
  }
  if (!method.empty() && text(request, "method") != method) return false;
  if (!text(request, "path").starts_with(path)) return false;
  if (status.empty()) return true;
  const std::string got = std::to_string(number(request, "response_code"));
  return status.ends_with("xx") ? got.size() == 3 && got[0] == status[0] : got == status;
}

std::optional<TapBatch> parse_tap(const std::string& page) {
  TapBatch out;
  std::string_view rest = page;
  bool head = true;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    Json line = Json::parse(rest.substr(0, end), nullptr, false);
    if (!line.is_object()) return std::nullopt;
    if (head) {
      if (!line.contains("next") || !line["next"].is_number_unsigned()) return std::nullopt;
      out.next = line["next"].get<std::uint64_t>();
      out.lost = static_cast<std::uint64_t>(number(line, "lost"));
    } else {
      out.requests.push_back(std::move(line));
    }
    head = false;
    rest.remove_prefix(end + 1);
  }
  return head ? std::nullopt : std::optional(std::move(out));
}

std::string tap_text(const Json& request, std::chrono::milliseconds under_way) {
  if (!is_end(request)) return under_way_text(request, under_way);
  const std::string flags = text(request, "response_flags");
  std::string out =
      fmt::format("{} {}{} {} ms{}", start_text(request), number(request, "response_code"),
                  flags == "-" || flags.empty()
                      ? ""
                      : fmt::format(" {} {}", flags, text(request, "response_code_details")),
                  number(request, "duration"), rule_text(request));
  if (number(request, "attempts") > 0) out += destination_text(request);
  out += '\n';
  const auto attempts = request.find("attempt_list");
  if (attempts == request.end() || !attempts->is_array() || attempts->size() < 2) return out;
  std::size_t index = 0;
  for (const Json& attempt : *attempts) out += attempt_text(attempt, ++index);
  return out;
}

void TapUnderWay::take(const Json& event, TimePoint now) {
  const auto id = number(event, "id");
  if (id == 0) return;
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) {
    found->second.event = event;
  } else if (by_id_.size() < kMaxTapUnderWay) {
    by_id_.emplace(id, One{event, now});
  }
}

void TapUnderWay::drop(const Json& event) {
  by_id_.erase(number(event, "id"));
}

std::vector<TapUnderWay::Lasting> TapUnderWay::due(TimePoint now) {
  std::vector<Lasting> out;
  for (auto& [id, one] : by_id_) {
    const auto lasted = std::chrono::duration_cast<std::chrono::milliseconds>(now - one.began);
    if (one.shown || lasted < kTapLasting) continue;
    one.shown = true;
    out.push_back({one.event, lasted});
  }
  return out;
}

}  // namespace culvert::cli
