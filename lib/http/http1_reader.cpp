// The two readers: heads by HeadBuffer, FieldLines, HopFields and targets, then bodies by
// BodyReader.
#include "culvert/http/http1_reader.hpp"

#include <cassert>
#include <optional>

#include "characters.hpp"
#include "field_lines.hpp"
#include "hop_fields.hpp"
#include "target.hpp"

namespace culvert::http {
namespace {

constexpr std::string_view kVersionPrefix = "HTTP/";
constexpr std::size_t kVersionBytes = 8;  // HTTP/1.1

// "HTTP/1.1" exactly: a later minor version may mean what we do not know.
std::expected<Version, Refusal> read_version(std::string_view text, Refusal malformed) {
  if (text == "HTTP/1.1") return Version::kHttp11;
  if (text == "HTTP/1.0") return Version::kHttp10;
  const bool well_formed = text.size() == kVersionBytes && text.starts_with(kVersionPrefix) &&
                           is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
  return std::unexpected(well_formed ? refusals::kVersion : malformed);
}

// The start line without CRLF, and the field lines without the empty one.
struct Lines {
  explicit Lines(std::string_view all) {
    const auto end = all.find('\n');
    start = all.substr(0, end - 1);
    fields = all.substr(end + 1, all.size() - end - 3);
  }
  std::string_view start, fields;
};

struct RequestLine {
  std::string_view method, target;
  Version version = Version::kHttp11;
};

std::expected<RequestLine, Refusal> read_request_line(std::string_view line,
                                                      std::size_t max_target) {
  RequestLine out;
  const auto first = line.find(' ');
  if (first == std::string_view::npos) return std::unexpected(refusals::kRequestLine);
  out.method = line.substr(0, first);
  if (!is_token(out.method)) return std::unexpected(refusals::kMethod);
  if (out.method.size() > kMaxMethodBytes) return std::unexpected(refusals::kMethodTooLong);
  line.remove_prefix(first + 1);
  const auto second = line.find(' ');
  if (second == std::string_view::npos || second == 0) {
    return std::unexpected(refusals::kRequestLine);
  }
  out.target = line.substr(0, second);
  const auto version = read_version(line.substr(second + 1), refusals::kRequestLine);
  if (!version) return std::unexpected(version.error());
  out.version = *version;
  if (out.target.size() > max_target) return std::unexpected(refusals::kTargetTooLong);
  if (out.method == "CONNECT") return std::unexpected(refusals::kConnect);
  return out;
}

struct StatusLine {
  Version version = Version::kHttp11;
  std::uint16_t status = 0;
};

// "HTTP/1.1 200 OK"; the phrase, and the space before it, may be missing (section 4: it means
// nothing).
std::expected<StatusLine, Refusal> read_status_line(std::string_view line) {
  StatusLine out;
  const auto version = read_version(line.substr(0, kVersionBytes), refusals::kStatusLine);
  if (!version) return std::unexpected(version.error());
  out.version = *version;
  line.remove_prefix(kVersionBytes);
  const bool well_formed = line.size() >= 4 && line[0] == ' ' && line[1] >= '1' &&
                           is_digit(line[1]) && is_digit(line[2]) && is_digit(line[3]) &&
                           (line.size() == 4 || line[4] == ' ') && is_text(line);
  if (!well_formed) return std::unexpected(refusals::kStatusLine);
  for (const char c : line.substr(1, 3)) {
    out.status = static_cast<std::uint16_t>(out.status * 10 + (c - '0'));
  }
  return out;
}

}  // namespace

template <class Parse>
std::expected<Piece, Refusal> Http1Reader::read_message(std::span<const std::uint8_t> input,
                                                        HeadBuffer::Of of, Parse parse) {
  assert(state_ != State::kEnd && state_ != State::kRefused && "next() comes before the next one");
  const auto piece = state_ == State::kHead ? read_head(input, of, parse) : body_.read(input);
  if (!piece) {
    state_ = State::kRefused;
    keep_alive_ = false;
  } else if (piece->found == Found::kHead) {
    state_ = State::kBody;
  } else if (piece->found == Found::kEnd) {
    state_ = State::kEnd;
  }
  return piece;
}

template <class Parse>
std::expected<Piece, Refusal> Http1Reader::read_head(std::span<const std::uint8_t> input,
                                                     HeadBuffer::Of of, Parse parse) {
  std::size_t eaten = 0;
  const auto lines = lines_.take(input, eaten, of, limits_.head_bytes);
  if (!lines) return std::unexpected(lines.error());
  if (!*lines) return Piece{Found::kMore, eaten, {}};
  const auto found = parse(**lines);
  if (!found) return std::unexpected(found.error());
  lines_.reset();
  return Piece{*found, eaten, {}};
}

std::expected<Piece, Refusal> RequestReader::read(std::span<const std::uint8_t> input) {
  return read_message(input, HeadBuffer::Of::kRequest,
                      [this](std::string_view lines) { return parse(lines); });
}

std::expected<Found, Refusal> RequestReader::parse(std::string_view all) {
  const Lines lines(all);
  const auto line = read_request_line(lines.start, limits_.target_bytes);
  if (!line) return std::unexpected(line.error());
  head_.version = line->version;
  head_.method = line->method;
  if (const auto sound = FieldLines::read(lines.fields, limits_.fields, head_.fields); !sound) {
    return std::unexpected(sound.error());
  }
  const auto hop = HopFields::take(head_.fields, true);
  if (!hop) return std::unexpected(hop.error());
  if (hop->hosts > 1) return std::unexpected(refusals::kManyHosts);
  const auto host = hop->hosts == 1 ? std::optional(hop->host) : std::nullopt;
  if (const auto sound = read_target(line->target, host, head_); !sound)
    return std::unexpected(sound.error());
  const auto framing = hop->framing(head_.version);
  if (!framing) return std::unexpected(framing.error());
  head_.body = {framing->chunked || framing->length.value_or(0) > 0, framing->length};
  if (framing->chunked) {
    body_.begin_chunked();
  } else {
    body_.begin_length(framing->length.value_or(0));
  }
  keep_alive_ = hop->persistent(head_.version);
  if (head_.version == Version::kHttp11) {
    head_.expects_continue = hop->expects_continue;
  } else {
    head_.fields.remove("expect");  // means nothing there (RFC 9110 section 10.1.1)
  }
  if (hop->asks_upgrade && hop->upgrades == 1 && head_.version == Version::kHttp11 &&
      equal_ignoring_case(hop->upgrade, "websocket")) {
    // A server that does not upgrade takes the body for one, another takes it for frames.
    if (head_.body.present || head_.method != "GET") return std::unexpected(refusals::kUpgrade);
    head_.upgrade = "websocket";
  }
  return Found::kHead;
}

std::expected<void, Refusal> RequestReader::finish() const {
  if (idle() || state_ == State::kEnd) return {};
  return std::unexpected(refusals::kTruncated);
}

void RequestReader::next() {
  assert(state_ == State::kEnd && "the request before has not ended");
  state_ = State::kHead;
  head_.clear();
  body_.begin_none();
}

void ResponseReader::next(bool to_head, std::string_view upgrade) {
  state_ = State::kHead;
  to_head_ = to_head;
  keep_alive_ = true;
  informational_ = 0;
  upgrade_ = upgrade;
  lines_.reset();
  head_.clear();
  body_.begin_none();
}

std::expected<Piece, Refusal> ResponseReader::read(std::span<const std::uint8_t> input) {
  return read_message(input, HeadBuffer::Of::kResponse,
                      [this](std::string_view lines) { return parse(lines); });
}

std::expected<Found, Refusal> ResponseReader::parse(std::string_view all) {
  const Lines lines(all);
  const auto line = read_status_line(lines.start);
  if (!line) return std::unexpected(line.error());
  head_.clear();
  head_.version = line->version;
  head_.status = line->status;
  if (const auto sound = FieldLines::read(lines.fields, limits_.fields, head_.fields); !sound) {
    return std::unexpected(sound.error());
  }
  const auto hop = HopFields::take(head_.fields, false);
  if (!hop) return std::unexpected(hop.error());
  const auto framing = hop->framing(head_.version);
  if (!framing) return std::unexpected(framing.error());
  const bool never_a_body = head_.status / 100 == 1 || head_.status == 204;
  if (never_a_body && (framing->chunked || framing->length.value_or(0) > 0)) {
    return std::unexpected(refusals::kNoBodyStatus);
  }
  if (head_.informational() && ++informational_ > kMaxInformational) {
    return std::unexpected(refusals::kTooManyInformational);
  }
  if (head_.status == 101) {
    if (upgrade_.empty() || !hop->asks_upgrade || hop->upgrades != 1 ||
        !equal_ignoring_case(hop->upgrade, upgrade_)) {
      return std::unexpected(refusals::kUnaskedUpgrade);
    }
    head_.upgrade = upgrade_;
  }
  keep_alive_ = hop->persistent(head_.version) && head_.status != 101;
  if (never_a_body || to_head_ || head_.status == 304) {
    if (!never_a_body) head_.body.length = framing->length;
    body_.begin_none();
  } else if (framing->chunked) {
    head_.body.present = true;
    body_.begin_chunked();
  } else if (framing->length) {
    head_.body = {*framing->length > 0, framing->length};
    body_.begin_length(*framing->length);
  } else {
    head_.body.present = true;
    keep_alive_ = false;
    body_.begin_until_close();
  }
  return head_.informational() ? Found::kInformational : Found::kHead;
}

std::expected<Piece, Refusal> ResponseReader::finish() {
  keep_alive_ = false;
  if (state_ == State::kEnd || (state_ == State::kBody && body_.may_end())) {
    state_ = State::kEnd;
    return Piece{Found::kEnd, 0, {}};
  }
  state_ = State::kRefused;
  return std::unexpected(refusals::kTruncated);
}

}  // namespace culvert::http
