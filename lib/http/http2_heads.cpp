#include "culvert/http/http2_heads.hpp"

#include <charconv>

#include "characters.hpp"
#include "hop_fields.hpp"
#include "target.hpp"

namespace culvert::http {
namespace {

/// RFC 9113 section 6.5.2: each field counts for so many bytes more.
constexpr std::size_t kFieldOverheadBytes = 32;

// Section 8.2.2. HTTP2-Settings belongs to an upgrade from HTTP/1.1.
bool belongs_to_connection(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
         name == "transfer-encoding" || name == "upgrade" || name == "http2-settings";
}

std::expected<void, Refusal> set_once(std::optional<std::string_view>& into,
                                      std::string_view value) {
  if (into) return std::unexpected(refusals::kRepeatedPseudo);
  into = value;
  return {};
}

}  // namespace

std::expected<void, Refusal> Http2Section::count(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (bytes_ > limits_.head_bytes) return std::unexpected(refusals::kHeadTooLong);
  if (name.starts_with(':')) return {};
  if (++fields_ > limits_.fields) return std::unexpected(refusals::kTooManyFields);
  return {};
}

std::expected<void, Refusal> Http2Section::add_field(std::string_view name, std::string_view value,
                                                     Fields& fields) {
  in_fields_ = true;
  if (has_upper_case(name)) return std::unexpected(refusals::kUpperCase);
  if (belongs_to_connection(name)) return std::unexpected(refusals::kConnectionSpecific);
  if (name == "te" && value != "trailers") return std::unexpected(refusals::kTe);
  if (name == "content-length") {
    if (!is_field_value(value)) return std::unexpected(refusals::kFieldValue);
    if (++lengths_ > 1) return std::unexpected(refusals::kManyLengths);
    length_ = parse_length(value);
    if (!length_) return std::unexpected(refusals::kLength);
    return {};
  }
  if (fields.add(name, value)) return {};
  return std::unexpected(is_field_value(value) ? refusals::kFieldName : refusals::kFieldValue);
}

std::expected<void, Refusal> Http2RequestBuilder::add(std::string_view name,
                                                      std::string_view value) {
  if (const auto sound = count(name, value); !sound) return sound;
  return name.starts_with(':') ? add_pseudo(name, value) : add_field(name, value, head_.fields);
}

std::expected<void, Refusal> Http2RequestBuilder::add_pseudo(std::string_view name,
                                                             std::string_view value) {
  if (in_fields_) return std::unexpected(refusals::kPseudoAfterField);
  if (name == ":method") return set_once(method_, value);
  if (name == ":scheme") return set_once(scheme_, value);
  if (name == ":authority") return set_once(authority_, value);
  if (name == ":path") return set_once(path_, value);
  if (name == ":protocol") return set_once(protocol_, value);
  return std::unexpected(refusals::kUnknownPseudo);
}

// Section 8.3.1: Host may stand for :authority, and must not say anything else.
std::expected<void, Refusal> Http2RequestBuilder::take_host() {
  if (head_.fields.count("host") > 1) return std::unexpected(refusals::kManyHosts);
  const auto host = head_.fields.find("host");
  if (!authority_ && !host) return std::unexpected(refusals::kNoHost);
  if (authority_ && host && !equal_ignoring_case(*authority_, *host)) {
    return std::unexpected(refusals::kHostConflict);
  }
  head_.authority = authority_ ? *authority_ : *host;
  if (!is_authority(head_.authority)) return std::unexpected(refusals::kHost);
  head_.fields.remove("host");
  return {};
}

std::expected<RequestHead, Refusal> Http2RequestBuilder::finish(bool end_stream) {
  if (!method_) return std::unexpected(refusals::kMissingPseudo);
  const bool connect = *method_ == "CONNECT";
  if (connect && protocol_ != "websocket") return std::unexpected(refusals::kConnect);
  if (protocol_ && !connect) return std::unexpected(refusals::kUnknownPseudo);
  if (!scheme_ || !path_) return std::unexpected(refusals::kMissingPseudo);
  if (!is_token(*method_)) return std::unexpected(refusals::kMethod);
  if (method_->size() > kMaxMethodBytes) return std::unexpected(refusals::kMethodTooLong);
  if (*scheme_ != "http" && *scheme_ != "https") return std::unexpected(refusals::kScheme);
  if (!is_path(*path_) && (*path_ != "*" || *method_ != "OPTIONS")) {
    return std::unexpected(refusals::kTarget);
  }
  if (const auto sound = take_host(); !sound) return std::unexpected(sound.error());
  if (const auto expect = head_.fields.find("expect")) {
    if (!equal_ignoring_case(*expect, "100-continue")) {
      return std::unexpected(refusals::kExpectation);
    }
    head_.expects_continue = true;
  }
  if (head_.fields.count("cookie") > 1) {
    std::string cookies;
    for (const Field field : head_.fields) {
      if (field.name == "cookie") cookies.append(cookies.empty() ? "" : "; ").append(field.value);
    }
    head_.fields.set("cookie", cookies);
  }
  head_.version = Version::kHttp2;
  head_.scheme = *scheme_;
  head_.path = *path_;
  if (connect) {
    // Its stream carries frames of the other protocol, which are no body.
    if (length_ || end_stream) return std::unexpected(refusals::kUpgrade);
    head_.method = "GET";
    head_.upgrade = *protocol_;
    return std::move(head_);
  }
  head_.method = *method_;
  if (end_stream && length_.value_or(0) > 0) return std::unexpected(refusals::kLengthMismatch);
  head_.body = {!end_stream && length_ != 0U, length_};
  return std::move(head_);
}

std::expected<void, Refusal> Http2ResponseBuilder::add(std::string_view name,
                                                       std::string_view value) {
  if (const auto sound = count(name, value); !sound) return sound;
  if (!name.starts_with(':')) return add_field(name, value, head_.fields);
  if (in_fields_) return std::unexpected(refusals::kPseudoAfterField);
  if (name != ":status") return std::unexpected(refusals::kUnknownPseudo);
  if (head_.status != 0) return std::unexpected(refusals::kRepeatedPseudo);
  const bool digits = value.size() == 3 && value[0] >= '1' && is_digit(value[0]) &&
                      is_digit(value[1]) && is_digit(value[2]);
  if (!digits) return std::unexpected(refusals::kStatus);
  for (const char c : value) {
    head_.status = static_cast<std::uint16_t>(head_.status * 10 + (c - '0'));
  }
  return {};
}

std::expected<ResponseHead, Refusal> Http2ResponseBuilder::finish(bool end_stream) {
  if (head_.status == 0) return std::unexpected(refusals::kMissingPseudo);
  if (head_.status == 101) return std::unexpected(refusals::kUnaskedUpgrade);
  head_.version = Version::kHttp2;
  const bool never_a_body = head_.informational() || head_.status == 204;
  if (never_a_body && length_.value_or(0) > 0) return std::unexpected(refusals::kNoBodyStatus);
  if (head_.informational()) {
    if (end_stream) return std::unexpected(refusals::kTruncated);
    return std::move(head_);
  }
  if (!upgrade_.empty() && head_.status == 200) {
    head_.status = 101;
    head_.upgrade = upgrade_;
    return std::move(head_);
  }
  const bool no_body = never_a_body || to_head_ || head_.status == 304;
  if (!no_body && end_stream && length_.value_or(0) > 0) {
    return std::unexpected(refusals::kLengthMismatch);
  }
  head_.body = {!no_body && !end_stream && length_ != 0U, never_a_body ? std::nullopt : length_};
  return std::move(head_);
}

std::expected<void, Refusal> Http2TrailersBuilder::add(std::string_view name,
                                                       std::string_view value) {
  if (const auto sound = count(name, value); !sound) return sound;
  if (name.starts_with(':')) return std::unexpected(refusals::kPseudoAfterField);
  if (belongs_into_head(name)) return std::unexpected(refusals::kTrailerField);
  return add_field(name, value, fields_);
}

void Http2Fields::add_all(const Fields& fields) {
  for (const Field field : fields) list_.push_back(field);
}

void Http2Fields::add_length(std::uint64_t length) {
  const auto end = std::to_chars(length_.data(), length_.data() + length_.size(), length).ptr;
  list_.push_back(
      {"content-length", {length_.data(), static_cast<std::size_t>(end - length_.data())}});
}

std::span<const Field> Http2Fields::request(const RequestHead& head) {
  list_.clear();
  const bool upgrade = !head.upgrade.empty();
  list_.push_back({":method", upgrade ? std::string_view("CONNECT") : head.method});
  if (upgrade) list_.push_back({":protocol", head.upgrade});
  list_.push_back({":scheme", head.scheme});
  list_.push_back({":authority", head.authority});
  list_.push_back({":path", head.path});
  add_all(head.fields);
  if (head.body.length && !upgrade) add_length(*head.body.length);
  return list_;
}

std::span<const Field> Http2Fields::response(const ResponseHead& head) {
  list_.clear();
  const int status = head.status == 101 ? 200 : head.status;
  std::to_chars(status_.data(), status_.data() + status_.size(), status);
  list_.push_back({":status", {status_.data(), status_.size()}});
  add_all(head.fields);
  if (head.body.length && head.status / 100 != 1 && head.status != 204) {
    add_length(*head.body.length);
  }
  return list_;
}

std::span<const Field> Http2Fields::trailers(const Fields& trailers) {
  list_.clear();
  add_all(trailers);
  return list_;
}

}  // namespace culvert::http
