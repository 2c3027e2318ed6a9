// Writers of HTTP/1.1 (RFC 9112): heads, chunks and trailers as bytes appended to the caller's.
// Pure; any thread. Bodies are the caller's to send: chunk_head() goes in front of each part,
// without a copy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "culvert/http/message.hpp"

namespace culvert::http {

/// How the bytes of a body go behind the head that was written.
enum class Framing : std::uint8_t {
  kNone,        // there is no body
  kLength,      // as they are, exactly as many as Body::length says
  kChunked,     // chunk_head() before and kChunkEnd after each part, append_last_chunk() at the end
  kUntilClose,  // as they are; the connection's end is theirs
};

/// A request in HTTP/1.1. nullopt, and nothing appended, when method, authority or path cannot
/// stand in one: a request of HTTP/1.0 without Host first gets its authority from who knows it.
/// `keep_alive` false asks the server to close.
std::optional<Framing> append_request(const RequestHead& head, bool keep_alive, std::string& out);

/// The request that a response answers.
struct Answered {
  Version version = Version::kHttp11;
  bool to_head = false;    // its method was HEAD
  bool keep_alive = true;  // RequestReader::keep_alive(), and the server wants it too
};

struct WrittenResponse {
  Framing framing = Framing::kNone;
  bool keep_alive = true;  // false: close behind the body
};

/// A final response, or 101; also informational ones, which have no Framing and which HTTP/1.0
/// clients do not get (nothing is appended).
WrittenResponse append_response(const ResponseHead& head, const Answered& answered,
                                std::string& out);

/// "1a2f\r\n" for a chunk of so many bytes; not for zero.
class ChunkHead {
 public:
  explicit ChunkHead(std::uint64_t bytes);
  std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, 18> text_;
  std::size_t size_;
};
inline constexpr std::string_view kChunkEnd = "\r\n";

/// The last chunk, and trailers if there are any.
void append_last_chunk(const Fields& trailers, std::string& out);

}  // namespace culvert::http
