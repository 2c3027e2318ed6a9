#include "culvert/h2/http.hpp"

namespace culvert::h2 {
namespace {

Headers to_headers(std::span<const http::Field> fields) {
  Headers out;
  out.reserve(fields.size());
  for (const http::Field& field : fields) {
    out.push_back({std::string(field.name), std::string(field.value)});
  }
  return out;
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
  http::Http2RequestBuilder builder(limits);
  if (const auto sound = add_all(builder, stream.request()); !sound) {
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
  http::Http2Fields fields;
  const bool end_stream = !head.body.present && head.upgrade.empty();
  return connection.open(to_headers(fields.request(head)), end_stream);
}

Result<void> send_head(Stream& stream, const http::ResponseHead& head, bool end_stream) {
  http::Http2Fields fields;
  const Headers block = to_headers(fields.response(head));
  return head.informational() ? stream.send_informational(block)
                              : stream.send_headers(block, end_stream);
}

Result<void> finish(Stream& stream, const http::Fields& trailers) {
  if (trailers.empty()) return stream.finish();
  http::Http2Fields fields;
  return stream.send_trailers(to_headers(fields.trailers(trailers)));
}

}  // namespace culvert::h2
