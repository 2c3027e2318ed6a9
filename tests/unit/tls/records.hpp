// Record layers with known secrets, and a peer that seals whatever a test wants, for tests.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "own_record_layer.hpp"
#include "pair.hpp"
#include "record_keys.hpp"

namespace culvert::test {

inline std::string from_hex(std::string_view text) {
  std::string out;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return out;
}

inline const tls::Suite& suite(std::uint32_t number = 0x1302) {
  const auto* found = tls::Suite::find(number);
  REQUIRE(found != nullptr);
  return *found;
}

/// A traffic secret that is as long as the suite wants.
inline std::string traffic_secret(char fill, const tls::Suite& of = suite()) {
  return std::string(of.secret_bytes, fill);
}

inline std::unique_ptr<tls::RecordLayer> own_layer(std::string_view ours, std::string_view theirs,
                                                   bool server, const tls::Suite& of = suite(),
                                                   std::string received = {},
                                                   tls::RecordLimits limits = {}) {
  auto made = tls::make_own_record_layer({&of, tls::Secret(ours), tls::Secret(theirs)}, server,
                                         std::move(received), limits);
  if (!made) FAIL(made.error().to_string());
  return std::move(*made);
}

/// The other end of a layer under test, without rules of its own.
struct RawPeer {
  tls::RecordKeys sealing = *tls::RecordKeys::make(suite(), tls::Secret(traffic_secret('p')),
                                                   tls::RecordKeys::Use::kSeal);
  tls::RecordKeys opening = *tls::RecordKeys::make(suite(), tls::Secret(traffic_secret('u')),
                                                   tls::RecordKeys::Use::kOpen);

  /// The layer that is this peer's other end.
  static std::unique_ptr<tls::RecordLayer> under_test(bool server, tls::RecordLimits limits = {},
                                                      std::string received = {}) {
    return own_layer(traffic_secret('u'), traffic_secret('p'), server, suite(), std::move(received),
                     limits);
  }

  std::string seal(tls::ContentType type, std::string_view content) {
    std::string out(content.size() + tls::kRecordOverhead, '\0');
    REQUIRE(sealing.seal(type, bytes(content), out.data()));
    return out;
  }
  std::string data(std::string_view content) {
    return seal(tls::ContentType::kApplicationData, content);
  }
  std::string handshake(std::string_view content) {
    return seal(tls::ContentType::kHandshake, content);
  }
  std::string alert(int level, int description) {
    const std::array content{static_cast<char>(level), static_cast<char>(description)};
    return seal(tls::ContentType::kAlert, {content.data(), content.size()});
  }
  /// With `zeros` bytes of padding behind the type; at least one.
  std::string padded(tls::ContentType type, std::string_view content, std::size_t zeros) {
    std::string inner(content);
    inner += static_cast<char>(type);
    inner.append(zeros - 1, '\0');
    return seal(tls::ContentType{0}, inner);
  }

  struct Opened {
    int type = -1;  // -1: not authentic
    std::string content;
    bool operator==(const Opened&) const = default;
  };
  /// Takes the first record off `wire`.
  Opened open_first(std::string& wire) {
    REQUIRE(wire.size() >= tls::kRecordHeaderBytes);
    const std::size_t body =
        static_cast<unsigned char>(wire[3]) * 256U + static_cast<unsigned char>(wire[4]);
    const std::string record = wire.substr(0, tls::kRecordHeaderBytes + body);
    wire.erase(0, record.size());
    std::string inner(body - tls::kTagBytes, '\0');
    if (!opening.open(bytes(record), inner.data())) return {};
    const char type = inner.back();
    inner.pop_back();
    return {type, inner};
  }
};

inline const std::string kUpdate("\x18\0\0\1\0", 5);        // KeyUpdate, update_not_requested
inline const std::string kUpdateAsking("\x18\0\0\1\1", 5);  // KeyUpdate, update_requested

}  // namespace culvert::test
