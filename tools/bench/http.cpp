#include "bench/http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace culvert::bench {
namespace {

// Takes a number and the `separator` after it off the front.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view separator) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(separator)) return std::nullopt;
  text.remove_prefix(separator.size());
  return value;
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::size_t head_end(std::string_view text) {
  const std::size_t at = text.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

std::optional<Request> parse_bytes_path(std::string_view path) {
  Request out;
  if (!take(path, "/bytes/")) return std::nullopt;
  const auto size = take_number(path, "/");
  const auto stream = take_number(path, "");
  if (!size || *size > kMaxBodyBytes || !stream || !path.empty()) return std::nullopt;
  out.size = *size;
  out.stream = *stream;
  return out;
}

std::optional<Request> parse_request(std::string_view head) {
  constexpr std::string_view kVersion = " HTTP/1.1\r\n";
  Request out{.head_bytes = head.size()};
  if (take(head, "GET /bytes/")) {
    const auto size = take_number(head, "/");
    if (!size || *size > kMaxBodyBytes) return std::nullopt;
    out.size = *size;
  } else if (take(head, "PUT /sink/")) {
    out.kind = Request::Kind::kSink;
  } else {
    return std::nullopt;
  }
  const auto stream = take_number(head, kVersion);
  if (!stream) return std::nullopt;
  out.stream = *stream;
  out.close = out.kind == Request::Kind::kSink || head.find("Connection: close\r\n") != head.npos;
  return out;
}

std::string bytes_path(std::uint64_t size, std::uint64_t stream) {
  return fmt::format("/bytes/{}/{:020}", size, stream);
}

std::string get_request(std::string_view authority, std::uint64_t size, std::uint64_t stream,
                        bool close) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", bytes_path(size, stream), authority,
                     close ? "Connection: close\r\n" : "");
}

std::string put_request(std::uint64_t stream) {
  return fmt::format("PUT /sink/{:020} HTTP/1.1\r\nHost: bench\r\n\r\n", stream);
}

std::string answer_head(std::uint64_t size) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", size);
}

bool is_answer_head(std::string_view head, std::uint64_t size) {
  if (!head.starts_with("HTTP/1.1 200 ") || !head.ends_with("\r\n\r\n")) return false;
  std::string lower(head);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find(fmt::format("\r\ncontent-length: {}\r\n", size)) != std::string::npos;
}

std::string sink_answer(const SinkReport& report) {
  const std::string body = fmt::format(R"({{"bytes":{},"wrong":{}}})", report.bytes, report.wrong);
  return answer_head(body.size()) + body;
}

std::optional<SinkReport> parse_sink_answer(std::string_view answer) {
  const std::size_t head = head_end(answer);
  if (head == std::string_view::npos) return std::nullopt;
  std::string_view body = answer.substr(head);
  if (answer.substr(0, head) != answer_head(body.size()) || !take(body, R"({"bytes":)"))
    return std::nullopt;
  const auto bytes = take_number(body, R"(,"wrong":)");
  const auto wrong = take_number(body, "}");
  if (!bytes || !wrong || !body.empty()) return std::nullopt;
  return SinkReport{*bytes, *wrong};
}

}  // namespace culvert::bench
