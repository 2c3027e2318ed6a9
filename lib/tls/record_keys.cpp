// AES-GCM over records, by EVP. Nothing is allocated a record.
#include "record_keys.hpp"

#include <openssl/err.h>

#include <cassert>
#include <utility>

namespace culvert::tls {
namespace {

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* octets(char* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}

}  // namespace

RecordKeys::RecordKeys(const Suite& suite, Secret secret, Use use)
    : suite_(&suite), secret_(std::move(secret)), use_(use), cipher_(EVP_CIPHER_CTX_new()) {}

RecordKeys::RecordKeys(RecordKeys&& other) noexcept
    : suite_(other.suite_),
      secret_(std::move(other.secret_)),
      use_(other.use_),
      cipher_(std::move(other.cipher_)),
      iv_(other.iv_),
      sequence_(other.sequence_) {
  wipe_bytes(other.iv_.data(), other.iv_.size());
}

RecordKeys::~RecordKeys() {
  wipe_bytes(iv_.data(), iv_.size());
}

std::optional<RecordKeys> RecordKeys::make(const Suite& suite, Secret secret, Use use) {
  if (secret.view().size() != suite.secret_bytes) return std::nullopt;
  RecordKeys keys(suite, std::move(secret), use);
  if (!keys.derive()) return std::nullopt;
  return keys;
}

bool RecordKeys::derive() {
  std::array<std::uint8_t, kMaxKeyBytes> key{};
  const bool done =
      cipher_ != nullptr &&
      expand_label(*suite_, secret_.view(), "key", std::span(key).first(suite_->key_bytes)) &&
      expand_label(*suite_, secret_.view(), "iv", iv_) &&
      EVP_CipherInit_ex2(cipher_.get(), suite_->cipher, key.data(), nullptr,
                         use_ == Use::kSeal ? 1 : 0, nullptr) == 1;
  wipe_bytes(key.data(), key.size());
  if (!done) ERR_clear_error();
  return done;
}

bool RecordKeys::update() {
  secret_ = next_traffic_secret(*suite_, secret_);
  sequence_ = 0;
  return !secret_.empty() && derive();
}

bool RecordKeys::begin() {
  assert(sequence_ != UINT64_MAX && "the layer ends the connection before numbers repeat");
  auto nonce = iv_;
  for (std::size_t i = 0; i < sizeof sequence_; ++i) {
    nonce[kIvBytes - 1 - i] ^= static_cast<std::uint8_t>(sequence_ >> (8 * i));
  }
  ++sequence_;
  return EVP_CipherInit_ex2(cipher_.get(), nullptr, nullptr, nonce.data(), -1, nullptr) == 1;
}

bool RecordKeys::seal(ContentType type, RecordLayer::Parts content, std::size_t size, char* out) {
  assert(use_ == Use::kSeal && size <= kMaxRecordPlaintext);
  const std::size_t body = size + 1 + kTagBytes;
  const std::array<unsigned char, kRecordHeaderBytes> header{
      static_cast<unsigned char>(ContentType::kApplicationData), 3, 3,
      static_cast<unsigned char>(body >> 8), static_cast<unsigned char>(body)};
  const auto inner_type = static_cast<unsigned char>(type);
  EVP_CIPHER_CTX* const ctx = cipher_.get();
  unsigned char* to = std::copy(header.begin(), header.end(), octets(out));
  int written = 0;
  bool done =
      begin() && EVP_CipherUpdate(ctx, nullptr, &written, header.data(), header.size()) == 1;
  for (const auto part : content) {
    if (part.empty()) continue;
    done = done &&
           EVP_CipherUpdate(ctx, to, &written, octets(part), static_cast<int>(part.size())) == 1;
    to += part.size();
  }
  done = done && EVP_CipherUpdate(ctx, to, &written, &inner_type, 1) == 1 &&
         EVP_CipherFinal_ex(ctx, to + 1, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTagBytes, to + 1) == 1;
  if (!done) ERR_clear_error();
  return done;
}

bool RecordKeys::open(std::span<const std::byte> record, char* out) {
  assert(use_ == Use::kOpen && record.size() >= kRecordHeaderBytes + kTagBytes);
  const auto header = record.first(kRecordHeaderBytes);
  const auto tag = record.last(kTagBytes);
  const auto body =
      record.subspan(kRecordHeaderBytes, record.size() - kRecordHeaderBytes - kTagBytes);
  EVP_CIPHER_CTX* const ctx = cipher_.get();
  int size = 0;
  const bool done =
      begin() &&
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                          const_cast<std::byte*>(tag.data())) == 1 &&
      EVP_CipherUpdate(ctx, nullptr, &size, octets(header), kRecordHeaderBytes) == 1 &&
      (body.empty() || EVP_CipherUpdate(ctx, octets(out), &size, octets(body),
                                        static_cast<int>(body.size())) == 1) &&
      EVP_CipherFinal_ex(ctx, octets(out) + body.size(), &size) == 1;
  if (done) return true;
  ERR_clear_error();
  wipe_bytes(out, body.size());
  return false;
}

}  // namespace culvert::tls
