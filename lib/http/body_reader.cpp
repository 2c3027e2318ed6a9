#include "culvert/http/body_reader.hpp"

#include <algorithm>

#include "characters.hpp"
#include "field_lines.hpp"
#include "hop_fields.hpp"

namespace culvert::http {
void BodyReader::begin_none() {
  state_ = State::kDone;
  left_bytes_ = size_digits_ = extension_bytes_ = 0;
  trailers_.clear();
  trailer_lines_.reset();
}
void BodyReader::begin_length(std::uint64_t bytes) {
  begin_none();
  left_bytes_ = bytes;
  state_ = bytes > 0 ? State::kLength : State::kDone;
}
void BodyReader::begin_chunked() {
  begin_none();
  state_ = State::kSize;
}
void BodyReader::begin_until_close() {
  begin_none();
  state_ = State::kUntilClose;
}

std::expected<Piece, Refusal> BodyReader::read(std::span<const std::uint8_t> input) {
  std::size_t at = 0;
  while (true) {
    if (state_ == State::kDone) return Piece{Found::kEnd, at, {}};
    if (at == input.size()) return Piece{Found::kMore, at, {}};
    switch (state_) {
      case State::kLength:
        return take_bytes(input, at, State::kDone);
      case State::kChunk:
        return take_bytes(input, at, State::kChunkCr);
      case State::kUntilClose:
        return Piece{Found::kBody, input.size(), input.subspan(at)};
      case State::kTrailers:
        return read_trailers(input, at);
      default:
        if (const auto sound = read_framing(input[at]); !sound) {
          return std::unexpected(sound.error());
        }
        ++at;
    }
  }
}

Piece BodyReader::take_bytes(std::span<const std::uint8_t> input, std::size_t framing, State then) {
  const auto bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes_, input.size() - framing));
  left_bytes_ -= bytes;
  if (left_bytes_ == 0) state_ = then;
  return {Found::kBody, framing + bytes, input.subspan(framing, bytes)};
}

// chunk = size [extensions] CRLF bytes CRLF, byte by byte but for the bytes.
std::expected<void, Refusal> BodyReader::read_framing(std::uint8_t byte) {
  switch (state_) {
    case State::kSize:
      return read_size(byte);
    case State::kExtension:
      if (byte == '\r') {
        state_ = State::kSizeLf;
      } else if (!is_text({reinterpret_cast<const char*>(&byte), 1})) {
        return std::unexpected(refusals::kChunkExtension);
      } else if (++extension_bytes_ > limits_.chunk_extension_bytes) {
        return std::unexpected(refusals::kChunkExtensionsTooLong);
      }
      return {};
    case State::kSizeLf:
      if (byte != '\n') return std::unexpected(refusals::kChunkSize);
      size_digits_ = 0;
      state_ = left_bytes_ > 0 ? State::kChunk : State::kTrailers;
      return {};
    case State::kChunkCr:
      if (byte != '\r') return std::unexpected(refusals::kChunkEnd);
      state_ = State::kChunkLf;
      return {};
    default:  // kChunkLf
      if (byte != '\n') return std::unexpected(refusals::kChunkEnd);
      state_ = State::kSize;
      return {};
  }
}

std::expected<void, Refusal> BodyReader::read_size(std::uint8_t byte) {
  const char c = static_cast<char>(byte);
  if (const int digit = hex_value(c); digit >= 0) {
    if (++size_digits_ > kMaxChunkSizeDigits) return std::unexpected(refusals::kChunkSizeTooLarge);
    left_bytes_ = left_bytes_ * 16 + static_cast<std::uint64_t>(digit);
    if (left_bytes_ > kMaxBodyBytes) return std::unexpected(refusals::kChunkSizeTooLarge);
    return {};
  }
  if (size_digits_ == 0 || (c != '\r' && c != ';')) return std::unexpected(refusals::kChunkSize);
  state_ = c == '\r' ? State::kSizeLf : State::kExtension;
  return {};
}

std::expected<Piece, Refusal> BodyReader::read_trailers(std::span<const std::uint8_t> input,
                                                        std::size_t framing) {
  std::size_t eaten = 0;
  const auto lines = trailer_lines_.take(input.subspan(framing), eaten, HeadBuffer::Of::kTrailers,
                                         limits_.trailer_bytes);
  if (!lines) return std::unexpected(lines.error());
  if (!*lines) return Piece{Found::kMore, framing + eaten, {}};
  const auto fields = (*lines)->substr(0, (*lines)->size() - 2);
  if (const auto sound = FieldLines::read(fields, limits_.fields, trailers_); !sound) {
    return std::unexpected(sound.error());
  }
  for (const Field field : trailers_) {
    if (belongs_into_head(field.name)) return std::unexpected(refusals::kTrailerField);
  }
  trailer_lines_.reset();
  state_ = State::kDone;
  return Piece{Found::kEnd, framing + eaten, {}};
}

}  // namespace culvert::http
