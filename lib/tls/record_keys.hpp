// The protection of one direction's records: a traffic secret, what is derived from it, and the
// sequence number (RFC 8446 sections 5.2, 5.3, 7.3). Owned by a record layer, on its thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "culvert/tls/record_layer.hpp"
#include "culvert/tls/secret.hpp"
#include "key_schedule.hpp"

namespace culvert::tls {

/// RFC 8446 appendix B.1.
enum class ContentType : std::uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
};

inline constexpr std::size_t kRecordHeaderBytes = 5;
inline constexpr std::size_t kTagBytes = 16;
/// Content, its type and padding together (RFC 8446 section 5.4).
inline constexpr std::size_t kMaxInnerPlaintext = kMaxRecordPlaintext + 1;
static_assert(kRecordOverhead == kRecordHeaderBytes + 1 + kTagBytes);

/// Move only. Secret, key and IV are wiped when they are replaced or die.
class RecordKeys {
 public:
  enum class Use : std::uint8_t { kSeal, kOpen };

  /// nullopt: the secret has not the suite's length, or OpenSSL failed.
  static std::optional<RecordKeys> make(const Suite& suite, Secret secret, Use use);
  RecordKeys(RecordKeys&& other) noexcept;
  RecordKeys& operator=(RecordKeys&&) = delete;
  ~RecordKeys();

  /// Records protected by the present keys, which is the number of the next one.
  std::uint64_t sequence() const { return sequence_; }
  /// Goes on to the next traffic secret; numbers start again. False when OpenSSL failed.
  bool update();

  /// Writes one whole record of the parts' `size` together + kRecordOverhead bytes to `out`. `size`
  /// is at most kMaxRecordPlaintext; no part may overlap `out`. False when OpenSSL failed.
  bool seal(ContentType type, RecordLayer::Parts content, std::size_t size, char* out);
  bool seal(ContentType type, std::span<const std::byte> content, char* out) {
    return seal(type, {&content, 1}, content.size(), out);
  }
  /// Opens one whole record (header, at least the tag) into `out`: content, type and padding,
  /// kRecordHeaderBytes + kTagBytes fewer than the record. False when it is not authentic; `out`
  /// then holds nothing that may be used, wiped.
  bool open(std::span<const std::byte> record, char* out);

 private:
  RecordKeys(const Suite& suite, Secret secret, Use use);
  bool derive();
  bool begin();  // the nonce of the next record

  const Suite* suite_;
  Secret secret_;
  Use use_;
  OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> cipher_;  // wipes its key schedule when freed
  std::array<std::uint8_t, kIvBytes> iv_{};
  std::uint64_t sequence_ = 0;
};

}  // namespace culvert::tls
