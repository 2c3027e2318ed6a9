// A private key's text: kept in one heap block that is wiped before it is freed.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace culvert::tls {

/// Owns bytes that must not stay in memory. Moving hands the block over without copying it; copying
/// is not offered. Any thread, one at a time.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  std::string_view view() const { return {bytes_.get(), size_}; }
  bool empty() const { return size_ == 0; }
  void wipe();

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

/// Overwrites memory in a way that the compiler keeps (OPENSSL_cleanse(3)).
void wipe_bytes(void* data, std::size_t size);

}  // namespace culvert::tls
