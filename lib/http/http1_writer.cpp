#include "culvert/http/http1_writer.hpp"

#include <charconv>

#include "characters.hpp"
#include "culvert/http/limits.hpp"
#include "target.hpp"

namespace culvert::http {
namespace {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_length(std::string& out, std::uint64_t length) {
  out.append("content-length: ");
  append_number(out, length);
  out.append("\r\n");
}

void append_fields(std::string& out, const Fields& fields) {
  for (const Field field : fields) append_field(out, field.name, field.value);
}

bool has_no_body(std::uint16_t status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

Framing response_framing(const ResponseHead& head, const Answered& answered) {
  if (has_no_body(head.status) || answered.to_head || !head.body.present) return Framing::kNone;
  if (head.body.length) return Framing::kLength;
  return answered.version == Version::kHttp10 ? Framing::kUntilClose : Framing::kChunked;
}

}  // namespace

std::optional<Framing> append_request(const RequestHead& head, bool keep_alive, std::string& out) {
  const bool sound = is_token(head.method) && head.method.size() <= kMaxMethodBytes &&
                     head.method != "CONNECT" && is_authority(head.authority) &&
                     (is_path(head.path) || head.path == "*") &&
                     (head.upgrade.empty() || is_token(head.upgrade));
  if (!sound) return std::nullopt;
  out.reserve(out.size() + head.path.size() + head.fields.bytes() + 4 * head.fields.size() + 256);
  out.append(head.method).append(" ").append(head.path).append(" HTTP/1.1\r\n");
  append_field(out, "host", head.authority);
  append_fields(out, head.fields);
  const bool te = head.fields.find("te").has_value();
  if (!head.upgrade.empty()) {
    append_field(out, "connection", te ? "upgrade, te" : "upgrade");
    append_field(out, "upgrade", head.upgrade);
  } else if (!keep_alive) {
    append_field(out, "connection", te ? "close, te" : "close");
  } else if (te) {
    append_field(out, "connection", "te");
  }
  const bool chunked = head.body.present && !head.body.length;
  if (chunked) {
    append_field(out, "transfer-encoding", "chunked");
  } else if (head.body.length) {
    append_length(out, *head.body.length);
  }
  out.append("\r\n");
  return chunked ? Framing::kChunked : head.body.present ? Framing::kLength : Framing::kNone;
}

WrittenResponse append_response(const ResponseHead& head, const Answered& answered,
                                std::string& out) {
  const bool interim = head.informational();
  if (interim && answered.version == Version::kHttp10) return {};
  out.reserve(out.size() + head.fields.bytes() + 4 * head.fields.size() + 256);
  out.append("HTTP/1.1 ");
  append_number(out, head.status);
  out.append(" ").append(reason_phrase(head.status)).append("\r\n");
  append_fields(out, head.fields);
  WrittenResponse written{response_framing(head, answered), answered.keep_alive};
  if (written.framing == Framing::kUntilClose) written.keep_alive = false;
  if (head.status == 101) {
    append_field(out, "connection", "upgrade");
    append_field(out, "upgrade", head.upgrade);
  } else if (!interim && !written.keep_alive) {
    append_field(out, "connection", "close");
  } else if (!interim && answered.version == Version::kHttp10) {
    append_field(out, "connection", "keep-alive");
  }
  if (written.framing == Framing::kChunked) {
    append_field(out, "transfer-encoding", "chunked");
  } else if (head.status / 100 != 1 && head.status != 204) {
    // Where nothing announced a length and there is no body: only a length of zero tells so, except
    // for HEAD and 304, which have none whatever they say.
    const bool says_nothing = answered.to_head || head.status == 304;
    if (head.body.length) {
      append_length(out, *head.body.length);
    } else if (!head.body.present && !says_nothing) {
      append_length(out, 0);
    }
  }
  out.append("\r\n");
  return written;
}

ChunkHead::ChunkHead(std::uint64_t bytes) {
  char* end = std::to_chars(text_.data(), text_.data() + text_.size() - 2, bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  size_ = static_cast<std::size_t>(end - text_.data());
}

void append_last_chunk(const Fields& trailers, std::string& out) {
  out.append("0\r\n");
  append_fields(out, trailers);
  out.append("\r\n");
}

}  // namespace culvert::http
