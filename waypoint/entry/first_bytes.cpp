#include "waypoint/entry/first_bytes.hpp"

#include <algorithm>
#include <utility>

namespace culvert::waypoint {

http::Detected detect(std::string_view said, bool ended) {
  return http::detect_protocol({reinterpret_cast<const std::uint8_t*>(said.data()), said.size()},
                               ended);
}

namespace {

/// SETTINGS, by which servers of HTTP/2 may begin before their client has (RFC 9113 sections 3.4,
/// 4.1 and 6.5): a length of whole settings, type 4, no flag, stream 0.
bool begins_http2(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kFrameHeader = 9;
  if (bytes.size() < kFrameHeader) return false;
  const bool fits = bytes[0] == 0 && bytes[1] == 0 && bytes[2] % 6 == 0 && bytes[3] == 4;
  return fits && std::ranges::all_of(bytes.subspan(4, 5), [](auto byte) { return byte == 0; });
}

bool begins_http1(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kBegin = "HTTP/";
  return bytes.size() >= kBegin.size() && std::ranges::equal(bytes.first(kBegin.size()), kBegin);
}

}  // namespace

Result<proxy::StreamPart> UndecidedEnd::look_at(Result<proxy::StreamPart> part) {
  if (turned_ == Turned::kServerHttp2 && part && !part->nothing) {  // read before the relay stopped
    if (part->empty()) {
      out_.ended = true;
    } else {
      out_.bytes.append(part->bytes.begin(), part->bytes.end());
      end_.passed_on(*part);
    }
    return fail(ErrorCode::kClosed, "the server speaks HTTP/2", Origin::kUpstream);
  }
  if (decided_ || !part || part->nothing) return part;
  const bool ended = part->empty();
  first_.append(part->bytes.begin(), part->bytes.end());
  const auto speaks = detect(first_, ended);
  if (speaks == http::Detected::kMore && !ended) return part;
  decided_ = true;
  auto said = std::exchange(first_, {});
  if (speaks != http::Detected::kHttp1 && speaks != http::Detected::kHttp2) return part;
  if (server_spoke_) {
    return fail(ErrorCode::kProtocol, "HTTP begins behind what its server said", Origin::kClient);
  }
  turned_ = Turned::kToHttp;
  out_ = {speaks, std::move(said), ended};
  if (!ended) end_.passed_on(*part);
  return fail(ErrorCode::kClosed, "the client speaks HTTP after all", Origin::kClient);
}

bool UndecidedEnd::hear_server(std::span<const std::uint8_t> bytes) {
  if (turned_ != Turned::kNot) return false;  // read before the relay stopped
  if (decided_ || std::exchange(server_spoke_, true)) return true;
  if (begins_http2(bytes)) {
    turned_ = Turned::kServerHttp2;
    out_.bytes = std::exchange(first_, {});
    return false;
  }
  if (first_.empty() && !begins_http1(bytes)) decided_ = true;
  return true;
}

io::Task<Result<void>> UndecidedEnd::give_server_up() {
  co_return fail(ErrorCode::kClosed, "the server speaks HTTP/2", Origin::kUpstream);
}

io::Task<Result<std::span<const std::uint8_t>>> ReadBytes::read(io::Deadline deadline) {
  if (!first_.empty() && !std::exchange(given_, true)) {
    co_return std::span(reinterpret_cast<const std::uint8_t*>(first_.data()), first_.size());
  }
  if (!first_.empty()) {
    first_.clear();
    first_.shrink_to_fit();
  }
  co_return co_await rest_->read(deadline);
}

}  // namespace culvert::waypoint
