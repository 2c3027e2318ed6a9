// The little HTTP/1.1 that the bench speaks. Requests: "GET /bytes/SIZE/STREAM" (that much of the
// pattern) and "PUT /sink/STREAM" (the pattern, up to the client's end of stream). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::bench {

inline constexpr std::size_t kMaxHeadBytes = 4096;
inline constexpr std::uint64_t kMaxBodyBytes = 1ULL << 40;

struct Request {
  enum class Kind : std::uint8_t { kBytes, kSink };
  Kind kind = Kind::kBytes;
  std::uint64_t size = 0;  // of kBytes
  std::uint64_t stream = 0;
  bool close = false;          // "Connection: close"
  std::size_t head_bytes = 0;  // with its empty line
};

/// Where the head ends; npos while its empty line is not there.
std::size_t head_end(std::string_view text);
/// nullopt for anything else than the requests above. `head` ends with its empty line.
std::optional<Request> parse_request(std::string_view head);
/// "/bytes/SIZE/STREAM", of a GET.
std::optional<Request> parse_bytes_path(std::string_view path);

/// All requests for one size are equally long, as are their answers.
std::string bytes_path(std::uint64_t size, std::uint64_t stream);
std::string get_request(std::string_view authority, std::uint64_t size, std::uint64_t stream,
                        bool close);
std::string put_request(std::uint64_t stream);
std::string answer_head(std::uint64_t size);
/// Whether it is the head of such an answer behind an HTTP proxy, which may add fields and write
/// names otherwise: success, and this length. With its empty line.
bool is_answer_head(std::string_view head, std::uint64_t size);

/// What the origin answers to a PUT: {"bytes":N,"wrong":N}.
struct SinkReport {
  std::uint64_t bytes = 0;
  std::uint64_t wrong = 0;
};
std::string sink_answer(const SinkReport& report);
/// From a whole answer, head and body.
std::optional<SinkReport> parse_sink_answer(std::string_view answer);

}  // namespace culvert::bench
