// HTTP/1.1, both sides: where the bytes are cut does not matter, and what was taken can be written
// so that it reads back as it was, and as no more. Input: a byte that chooses the cut, one that
// chooses the side and what was asked, then the stream.
#include <string>
#include <vector>

#include "culvert/http/http1_reader.hpp"
#include "culvert/http/http1_writer.hpp"
#include "culvert/http/path.hpp"
#include "culvert/http/protocol.hpp"
#include "property.hpp"

using namespace culvert;
using namespace culvert::http;
using fuzz::require;

namespace {

template <class Head>
struct Message {
  Head head;
  std::string body;
  Fields trailers;
};

bool same(const RequestHead& a, const RequestHead& b) {
  return a.method == b.method && a.authority == b.authority && a.path == b.path &&
         a.fields == b.fields && a.body == b.body && a.upgrade == b.upgrade;
}
bool same(const ResponseHead& a, const ResponseHead& b) {
  return a.status == b.status && a.fields == b.fields && a.body == b.body && a.upgrade == b.upgrade;
}

template <class Head>
struct Stream {
  std::vector<Message<Head>> messages;  // informational ones too
  std::string refusal;                  // of what follows, or ""
  bool open = false;                    // the last message has not ended

  bool operator==(const Stream& other) const {
    if (messages.size() != other.messages.size()) return false;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto& a = messages[i];
      const auto& b = other.messages[i];
      if (!same(a.head, b.head) || a.body != b.body || !(a.trailers == b.trailers)) return false;
    }
    return refusal == other.refusal && open == other.open;
  }
};

// Feeds one part, as the reader's owner does.
template <class Head, class Reader, class Next>
void feed(Stream<Head>& out, Reader& reader, std::span<const std::uint8_t> input, Next next) {
  bool more = true;
  while (more && out.refusal.empty()) {
    const auto piece = reader.read(input);
    if (!piece) {
      out.refusal = piece.error().text;
      return;
    }
    require(piece->eaten <= input.size(), "no more is eaten than there is");
    more = piece->found != Found::kMore;
    require(more || piece->eaten == input.size(), "who wants more has eaten all");
    input = input.subspan(piece->eaten);
    if (piece->found == Found::kHead || piece->found == Found::kInformational) {
      out.messages.push_back({reader.head(), {}, {}});
      out.open = piece->found == Found::kHead;
    } else if (piece->found == Found::kBody) {
      require(!piece->body.empty(), "a part of a body is not empty");
      out.messages.back().body += fuzz::text_of(piece->body);
    } else if (piece->found == Found::kEnd) {
      out.messages.back().trailers = reader.trailers();
      out.open = false;
      if (!next()) return;
      more = !input.empty();
    }
  }
}

Stream<RequestHead> read_requests(std::span<const std::uint8_t> bytes, std::size_t part_bytes) {
  Stream<RequestHead> out;
  RequestReader reader;
  fuzz::in_parts(bytes, part_bytes, [&](std::span<const std::uint8_t> part) {
    feed(out, reader, part, [&] {
      reader.next();
      return true;
    });
  });
  return out;
}

struct Asked {
  bool head = false;
  std::string_view upgrade;
};

Stream<ResponseHead> read_responses(std::span<const std::uint8_t> bytes, Asked asked,
                                    std::size_t part_bytes) {
  Stream<ResponseHead> out;
  ResponseReader reader;
  reader.next(asked.head, asked.upgrade);
  bool upgraded = false;
  fuzz::in_parts(bytes, part_bytes, [&](std::span<const std::uint8_t> part) {
    if (upgraded) return;
    feed(out, reader, part, [&] {
      upgraded = reader.head().status == 101;
      if (!upgraded) reader.next(asked.head, asked.upgrade);
      return !upgraded;
    });
  });
  return out;
}

void append_body(std::string& out, Framing framing, std::string_view body, const Fields& trailers) {
  if (framing != Framing::kChunked) {
    require(framing != Framing::kNone || body.empty(), "a body that was read has a framing");
    out += body;
    return;
  }
  if (!body.empty()) out.append(ChunkHead(body.size()).text()).append(body).append(kChunkEnd);
  append_last_chunk(trailers, out);
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void check_head(const RequestHead& head) {
  require(head.path == "*" || head.path.starts_with('/'), "a path starts with a slash");
  for (const auto how : {PathNormalization::kBase, PathNormalization::kMergeSlashes,
                         PathNormalization::kDecodeAndMergeSlashes}) {
    const auto path = normalized_path(head.path, how);
    if (!path) continue;
    require(*path == "*" || path->starts_with('/'), "so does its normal form");
    require(normalized_path(*path, how) == path, "and it is normal");
    const std::string plain = path->substr(0, path->find('?')) + "/";
    require(!plain.contains("/../") && !plain.contains("/./"), "which has no dot segments");
    require(how == PathNormalization::kBase || !path->substr(0, path->find('?')).contains("//"),
            "and no slashes side by side when they were merged");
  }
}

void check_requests(std::span<const std::uint8_t> bytes, std::size_t part) {
  const auto whole = read_requests(bytes, bytes.size() + 1);
  require(read_requests(bytes, part) == whole, "the cut of the bytes does not matter");
  for (const auto& message : whole.messages) {
    check_head(message.head);
    const bool last = &message == &whole.messages.back();
    if (last && (whole.open || !whole.refusal.empty())) break;  // its body is not whole
    std::string out;
    const auto framing = append_request(message.head, true, out);
    require(framing.has_value() == !message.head.authority.empty(), "what was read can be written");
    if (!framing) continue;
    append_body(out, *framing, message.body, message.trailers);
    const auto again = read_requests(bytes_of(out), out.size() + 1);
    require(again.messages.size() == 1 && again.refusal.empty() && !again.open, "as one message");
    Stream<RequestHead> wanted{{message}, "", false};
    require(again == wanted, "which reads back as it was");
  }
}

void check_responses(std::span<const std::uint8_t> bytes, Asked asked, std::size_t part) {
  const auto whole = read_responses(bytes, asked, bytes.size() + 1);
  require(read_responses(bytes, asked, part) == whole, "the cut of the bytes does not matter");
  for (const auto& message : whole.messages) {
    const bool last = &message == &whole.messages.back();
    const bool interim = message.head.informational();
    if (last && !interim && (whole.open || !whole.refusal.empty())) break;
    std::string out;
    const auto written = append_response(message.head, {.to_head = asked.head}, out);
    append_body(out, written.framing, message.body, message.trailers);
    const auto again = read_responses(bytes_of(out), asked, out.size() + 1);
    require(again.messages.size() == 1 && again.refusal.empty() && !again.open, "as one message");
    Stream<ResponseHead> wanted{{message}, "", false};
    require(again == wanted, "which reads back as it was");
  }
}

// What any prefix decided stays decided.
void check_detection(std::span<const std::uint8_t> bytes) {
  Detected so_far = Detected::kMore;
  for (std::size_t size = 0; size <= std::min<std::size_t>(bytes.size(), 64); ++size) {
    const auto now = detect_protocol(bytes.first(size));
    require(so_far == Detected::kMore || now == so_far, "more bytes change no decision");
    so_far = now;
  }
  require(so_far == Detected::kMore || detect_protocol(bytes) == so_far,
          "more bytes change no decision");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input(data, size);
  const std::size_t part = 1 + fuzz::take_byte(input);
  const unsigned mode = fuzz::take_byte(input);
  check_detection(input);
  if ((mode & 1U) == 0) {
    check_requests(input, part);
  } else {
    const Asked asked{(mode & 2U) != 0, (mode & 4U) != 0 ? "websocket" : ""};
    check_responses(input, asked, part);
  }
  return 0;
}
