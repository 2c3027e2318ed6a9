#include "hop_fields.hpp"

#include <algorithm>
#include <array>

#include "characters.hpp"
#include "culvert/http/limits.hpp"

namespace culvert::http {
namespace {

enum class Kind : std::uint8_t {
  kOther,
  kHost,
  kLength,
  kCoding,
  kConnection,
  kUpgrade,
  kExpect,
  kTe,
  kDropped
};

// The length first: few fields are compared with anything.
Kind kind_of(std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "te" ? Kind::kTe : Kind::kOther;
    case 4:
      return name == "host" ? Kind::kHost : Kind::kOther;
    case 6:
      return name == "expect" ? Kind::kExpect : Kind::kOther;
    case 7:
      return name == "upgrade" ? Kind::kUpgrade : Kind::kOther;
    case 10:
      if (name == "connection") return Kind::kConnection;
      return name == "keep-alive" ? Kind::kDropped : Kind::kOther;
    case 14:
      if (name == "content-length") return Kind::kLength;
      return name == "http2-settings" ? Kind::kDropped : Kind::kOther;
    case 16:
      return name == "proxy-connection" ? Kind::kDropped : Kind::kOther;
    case 17:
      return name == "transfer-encoding" ? Kind::kCoding : Kind::kOther;
    default:
      return Kind::kOther;
  }
}

// Fields that a Connection must not take out of a message: they are for the other end, or others
// decide by them (a client could make us drop what an earlier proxy had said about it).
constexpr std::array kNeverNominated{
    std::string_view("host"),
    std::string_view("content-length"),
    std::string_view("content-type"),
    std::string_view("content-encoding"),
    std::string_view("content-range"),
    std::string_view("authorization"),
    std::string_view("cookie"),
    std::string_view("set-cookie"),
    std::string_view("cache-control"),
    std::string_view("expect"),
    std::string_view("forwarded"),
    std::string_view("x-request-id"),
    std::string_view("traceparent"),
    std::string_view("tracestate"),
    std::string_view("b3"),
};
constexpr std::array kNeverNominatedFamilies{
    std::string_view("x-forwarded-"),
    std::string_view("x-envoy-"),
    std::string_view("x-b3-"),
    std::string_view("x-culvert-"),
};

class ConnectionOptions {
 public:
  // One Connection field (RFC 9110 section 7.6.1: a list of tokens, empty elements allowed).
  std::expected<void, Refusal> read(std::string_view list, HopFields& hop) {
    while (true) {
      const auto comma = std::min(list.find(','), list.size());
      const auto option = trimmed(list.substr(0, comma));
      if (!option.empty()) {
        if (const auto taken = take(option, hop); !taken) return taken;
      }
      if (comma == list.size()) return {};
      list.remove_prefix(comma + 1);
    }
  }
  // Takes what they name out of `fields`.
  void apply(Fields& fields) const {
    if (count_ == 0) return;
    fields.remove_if([&](const Field& field) {
      return std::any_of(names_.begin(), names_.begin() + count_, [&](std::string_view name) {
        return equal_ignoring_case(field.name, name);
      });
    });
  }

 private:
  std::expected<void, Refusal> take(std::string_view option, HopFields& hop) {
    if (!is_token(option) || ++options_ > kMaxConnectionOptions) {
      return std::unexpected(refusals::kConnectionField);
    }
    if (equal_ignoring_case(option, "close")) {
      hop.close = true;
    } else if (equal_ignoring_case(option, "keep-alive")) {
      hop.keep_alive = true;
    } else if (equal_ignoring_case(option, "upgrade")) {
      hop.asks_upgrade = true;
    } else if (!equal_ignoring_case(option, "te")) {  // what of TE stays is looked at below
      const auto is_it = [&](std::string_view name) { return equal_ignoring_case(option, name); };
      const auto begins = [&](std::string_view family) {
        return equal_ignoring_case(option.substr(0, family.size()), family);
      };
      if (std::ranges::any_of(kNeverNominated, is_it) ||
          std::ranges::any_of(kNeverNominatedFamilies, begins)) {
        return std::unexpected(refusals::kConnectionNames);
      }
      names_[count_++] = option;
    }
    return {};
  }

  std::array<std::string_view, kMaxConnectionOptions> names_;
  std::ptrdiff_t count_ = 0;
  std::size_t options_ = 0;
};

}  // namespace

bool belongs_into_head(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "host" ||
         name == "connection" || name == "te" || name == "expect" || name == "upgrade" ||
         name == "trailer" || name == "keep-alive" || name == "proxy-connection" ||
         name == "content-encoding" || name == "content-type" || name == "content-range" ||
         name == "authorization" || name == "cookie" || name == "set-cookie";
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > kMaxLengthDigits) return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits fit in 64 bits
  }
  if (length > kMaxBodyBytes) return std::nullopt;
  return length;
}

std::expected<HopFields, Refusal> HopFields::take(Fields& fields, bool request) {
  HopFields hop;
  ConnectionOptions options;
  std::expected<void, Refusal> sound;
  const auto keep = [](std::string_view& into, std::size_t& count, std::string_view value) {
    into = value;
    ++count;
    return true;
  };
  fields.remove_if([&](const Field& field) {
    switch (kind_of(field.name)) {
      case Kind::kOther:
        return false;
      case Kind::kHost:
        return request && keep(hop.host, hop.hosts, field.value);
      case Kind::kLength:
        return keep(hop.length, hop.lengths, field.value);
      case Kind::kCoding:
        return keep(hop.coding, hop.codings, field.value);
      case Kind::kUpgrade:
        return keep(hop.upgrade, hop.upgrades, field.value);
      case Kind::kConnection:
        if (sound) sound = options.read(field.value, hop);
        return true;
      case Kind::kExpect:
        if (!request || !sound) return false;
        hop.expects_continue = equal_ignoring_case(field.value, "100-continue");
        if (!hop.expects_continue) sound = std::unexpected(refusals::kExpectation);
        return false;
      case Kind::kTe:
        return !equal_ignoring_case(field.value, "trailers");
      case Kind::kDropped:
        return true;
    }
    return false;
  });
  if (!sound) return std::unexpected(sound.error());
  options.apply(fields);
  return hop;
}

std::expected<HopFields::Framing, Refusal> HopFields::framing(Version version) const {
  Framing framing;
  if (codings > 0) {
    // RFC 9112 section 6.1: whoever sends either of these is trying something.
    if (lengths > 0) return std::unexpected(refusals::kBothLengths);
    if (version == Version::kHttp10) return std::unexpected(refusals::kCodingIn10);
    if (codings > 1) return std::unexpected(refusals::kCoding);
    if (!equal_ignoring_case(coding, "chunked")) {
      const auto last = trimmed(coding.substr(coding.rfind(',') + 1));
      const auto others = coding.substr(0, std::min(coding.rfind(','), coding.size()));
      const bool in_order = coding.contains(',') && equal_ignoring_case(last, "chunked") &&
                            is_token(trimmed(others)) &&
                            !equal_ignoring_case(trimmed(others), "chunked");
      return std::unexpected(in_order ? refusals::kUnknownCoding : refusals::kCoding);
    }
    framing.chunked = true;
  }
  if (lengths > 0) {
    if (lengths > 1 || length.contains(',')) return std::unexpected(refusals::kManyLengths);
    framing.length = parse_length(length);
    if (!framing.length) return std::unexpected(refusals::kLength);
  }
  return framing;
}

bool HopFields::persistent(Version version) const {
  return version == Version::kHttp10 ? keep_alive && !close : !close;
}

}  // namespace culvert::http
