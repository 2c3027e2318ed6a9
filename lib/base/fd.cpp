#include "culvert/base/fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace culvert {

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  // Not to wait for the writer of a FIFO that somebody put there.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return fail_errno(errno, "open file");
  std::string out;
  while (true) {
    constexpr std::size_t kChunkBytes = 64 << 10;
    const std::size_t at = out.size();
    out.resize(at + kChunkBytes);
    const ssize_t n = ::read(fd.get(), out.data() + at, kChunkBytes);
    if (n < 0 && errno == EINTR) {
      out.resize(at);
      continue;
    }
    if (n < 0) return fail_errno(errno, "read file");
    out.resize(at + static_cast<std::size_t>(n));
    if (out.size() > max_bytes) return fail(ErrorCode::kLimit, "read file: too large");
    if (n == 0) return out;
  }
}

Result<void> write_file_atomic(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = path + ".tmp." + std::to_string(::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return fail_errno(errno, "create file");
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int saved = errno;
      ::unlink(temporary.c_str());
      return fail_errno(saved, "write file");
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  fd.reset();
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int saved = errno;
    ::unlink(temporary.c_str());
    return fail_errno(saved, "rename file");
  }
  return {};
}

Result<void> make_dirs(const std::string& path, unsigned mode) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) return fail_errno(ec.value(), "create directory");
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, "set directory mode");
  return {};
}

}  // namespace culvert
