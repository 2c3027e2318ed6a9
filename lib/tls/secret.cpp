// Secret: wiped memory for private keys.
#include "culvert/tls/secret.hpp"

#include <openssl/crypto.h>

#include <cstring>
#include <utility>

namespace culvert::tls {

void wipe_bytes(void* data, std::size_t size) {
  OPENSSL_cleanse(data, size);
}

Secret::Secret(std::string_view bytes)
    : bytes_(std::make_unique_for_overwrite<char[]>(bytes.size())), size_(bytes.size()) {
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Secret::wipe() {
  if (bytes_) wipe_bytes(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

}  // namespace culvert::tls
