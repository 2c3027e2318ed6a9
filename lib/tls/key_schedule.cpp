// HKDF-Expand-Label by HMAC: every output that records need is one block.
#include "key_schedule.hpp"

#include <openssl/err.h>
#include <openssl/hmac.h>

#include <array>
#include <cassert>
#include <cstring>

namespace culvert::tls {
namespace {

constexpr std::string_view kLabelPrefix = "tls13 ";
constexpr std::size_t kMaxLabelBytes = 16;

}  // namespace

const Suite* Suite::find(std::uint32_t number) {
  // Fetched once: an implicit fetch costs more than sealing a small record.
  static const Suite kAes128{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
                             EVP_MD_fetch(nullptr, "SHA256", nullptr), 16, 32};
  static const Suite kAes256{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
                             EVP_MD_fetch(nullptr, "SHA384", nullptr), 32, 48};
  const Suite* const found = number == 0x1301 ? &kAes128 : number == 0x1302 ? &kAes256 : nullptr;
  if (found == nullptr || found->cipher == nullptr || found->hash == nullptr) return nullptr;
  return found;
}

bool expand_label(const Suite& suite, std::string_view secret, std::string_view label,
                  std::span<std::uint8_t> out) {
  assert(out.size() <= suite.secret_bytes && label.size() <= kMaxLabelBytes);
  // struct HkdfLabel { uint16 length; opaque label<7..255>; opaque context<0..255>; }, then the
  // number of the block.
  std::array<std::uint8_t, 2 + 1 + kLabelPrefix.size() + kMaxLabelBytes + 1 + 1> info{};
  std::size_t size = 0;
  const auto put = [&](std::size_t byte) { info[size++] = static_cast<std::uint8_t>(byte); };
  put(out.size() >> 8);
  put(out.size());
  put(kLabelPrefix.size() + label.size());
  for (const char c : kLabelPrefix) put(static_cast<unsigned char>(c));
  for (const char c : label) put(static_cast<unsigned char>(c));
  put(0);  // no context
  put(1);  // the first block
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> block{};
  unsigned int block_size = 0;
  const bool done = HMAC(suite.hash, secret.data(), static_cast<int>(secret.size()), info.data(),
                         size, block.data(), &block_size) != nullptr;
  if (done) std::memcpy(out.data(), block.data(), out.size());
  wipe_bytes(block.data(), block.size());
  if (!done) ERR_clear_error();
  return done;
}

Secret next_traffic_secret(const Suite& suite, const Secret& secret) {
  std::array<std::uint8_t, kMaxSecretBytes> next{};
  Secret out;
  if (expand_label(suite, secret.view(), "traffic upd",
                   std::span(next).first(suite.secret_bytes))) {
    out = Secret({reinterpret_cast<const char*>(next.data()), suite.secret_bytes});
  }
  wipe_bytes(next.data(), next.size());
  return out;
}

}  // namespace culvert::tls
