#include "culvert/h2/http.hpp"

namespace culvert::h2 {
namespace {

/// Room for what whoever passes a head on adds to it: who asked, a request's id.
constexpr std::size_t kAddedFields = 4;
constexpr std::size_t kAddedBytes = 320;

Headers to_headers(std::span<const http::Field> fields) {
  Headers out;
  out.reserve(fields.size());
  for (const http::Field& field : fields) {
    out.push_back({std::string(field.name), std::string(field.value)});
  }
  return out;
}

/// This thread's, whose memory is used again; what it lists is sent before anything else runs.
http::Http2Fields& lists() {
  thread_local http::Http2Fields fields;
  return fields;
}

std::size_t text_bytes(const Headers& block) {
  std::size_t sum = 0;
  for (const Header& header : block) sum += header.name.size() + header.value.size();
  return sum;
}

template <class Builder>
std::expected<void, http::Refusal> add_all(Builder& builder, const Headers& block) {
  for (const Header& header : block) {
    if (auto sound = builder.add(header.name, header.value); !sound) return sound;
  }
  return {};
}

}  // namespace

std::expected<http::RequestHead, http::Refusal> request_head(const Stream& stream,
                                                             const http::Limits& limits) {
  if (stream.late()) return std::unexpected(http::refusals::kHeadTimeout);
  http::Http2RequestBuilder builder(limits);
  const Headers& block = stream.request();
  builder.reserve(block.size() + kAddedFields, text_bytes(block) + kAddedBytes);
  if (const auto sound = add_all(builder, block); !sound) {
    return std::unexpected(sound.error());
  }
  if (stream.oversized()) return std::unexpected(http::refusals::kHeadTooLong);
  return builder.finish(stream.ended_without_body());
}

std::expected<http::ResponseHead, http::Refusal> response_head(const Headers& block,
                                                               bool end_stream, bool to_head,
                                                               std::string_view upgrade,
                                                               const http::Limits& limits) {
  http::Http2ResponseBuilder builder(to_head, upgrade, limits);
  builder.reserve(block.size() + kAddedFields, text_bytes(block) + kAddedBytes);
  if (const auto sound = add_all(builder, block); !sound) return std::unexpected(sound.error());
  return builder.finish(end_stream);
}

std::expected<http::Fields, http::Refusal> trailer_fields(const Stream& stream,
                                                          const http::Limits& limits) {
  http::Http2TrailersBuilder builder(limits);
  if (stream.oversized_trailers()) return std::unexpected(http::refusals::kTrailersTooLong);
  if (const auto sound = add_all(builder, stream.trailers()); !sound) {
    return std::unexpected(sound.error());
  }
  return builder.finish();
}

Result<Stream> open(Connection& connection, const http::RequestHead& head) {
  const bool end_stream = !head.body.present && head.upgrade.empty();
  return connection.open(lists().request(head), end_stream);
}

Result<void> send_head(Stream& stream, const http::ResponseHead& head, bool end_stream) {
  const auto fields = lists().response(head);
  return head.informational() ? stream.send_informational(to_headers(fields))
                              : stream.send_headers(fields, end_stream);
}

Result<void> finish(Stream& stream, const http::Fields& trailers) {
  if (trailers.empty()) return stream.finish();
  return stream.send_trailers(to_headers(lists().trailers(trailers)));
}

}  // namespace culvert::h2
