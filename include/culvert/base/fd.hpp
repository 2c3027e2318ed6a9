// An owned file descriptor, and the few whole-file operations that everyone needs.
#pragma once

#include <string>
#include <utility>

#include "culvert/base/error.hpp"

namespace culvert {

/// Owns one descriptor; closes it on destruction. Move only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

/// The whole file, at most `max_bytes` (kLimit beyond).
Result<std::string> read_file(const std::string& path, std::size_t max_bytes = 64U << 20);
/// Writes a temporary file beside `path` and renames it over: readers see the old or the new one.
Result<void> write_file_atomic(const std::string& path, std::string_view content, unsigned mode);
/// mkdir -p.
Result<void> make_dirs(const std::string& path, unsigned mode = 0755);

}  // namespace culvert
