#include "waypoint/exchange/websocket.hpp"

#include <array>
#include <bit>
#include <cstdint>

#include "culvert/tls/digest.hpp"

namespace culvert::waypoint {
namespace {

constexpr std::string_view kKey = "sec-websocket-key";
constexpr std::string_view kAccept = "sec-websocket-accept";

// RFC 6455 section 1.3.
std::string answer_to(std::string_view key) {
  return tls::sha1_base64(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
}

}  // namespace

void WebsocketKey::prepare(const http::RequestHead& came, http::RequestHead& head,
                           HttpVersion version, l7::Random& random) {
  const auto key = came.fields.find(kKey);
  if (version == HttpVersion::kHttp2) {
    if (key) theirs_ = *key;
    head.fields.remove(kKey);
  } else if (!key) {
    // Sixteen bytes of chance, so that no cache or server that knows no websockets answers them.
    const std::array<std::uint64_t, 2> words{random.next(), random.next()};
    ours_ = tls::base64(std::bit_cast<std::array<std::uint8_t, sizeof words>>(words));
    head.fields.set(kKey, ours_);
  }
}

bool WebsocketKey::settle(http::ResponseHead& head) const {
  if (!ours_.empty()) {
    if (head.fields.find(kAccept) != answer_to(ours_)) return false;
    head.fields.remove(kAccept);
  } else if (!theirs_.empty()) {
    head.fields.set(kAccept, answer_to(theirs_));
  }
  return true;
}

}  // namespace culvert::waypoint
