#include "culvert/base/state_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "culvert/base/fd.hpp"

namespace culvert {
namespace {

constexpr std::size_t kKindBytes = 8;
constexpr std::size_t kHeaderBytes = kKindBytes + 4 + 8 + 8;
constexpr std::string_view kTemporary = ".new.";           // and the writer's process id
constexpr std::uint64_t kPolynomial = 0xc96c5795d7870f42;  // ECMA-182, reflected

constexpr std::array<std::uint64_t, 256> kTable = [] {
  std::array<std::uint64_t, 256> table{};
  for (std::uint64_t i = 0; i < table.size(); ++i) {
    std::uint64_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}();

// Little-endian, so that a file can be read on any machine.
void append_number(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

Result<void> write_synced(const std::string& path, std::string_view content) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno(errno, "create file");
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "write file");
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "sync file");
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  if (parent.empty()) parent = ".";
  const UniqueFd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) != 0) return fail_errno(errno, "sync folder");
  return {};
}

}  // namespace

std::uint64_t crc64(std::string_view bytes) {
  std::uint64_t value = ~0ULL;
  for (const char c : bytes) {
    value = kTable[(value ^ static_cast<unsigned char>(c)) & 0xff] ^ (value >> 8);
  }
  return ~value;
}

std::string frame_state(std::string_view kind, std::uint32_t format, std::string_view content) {
  assert(kind.size() == kKindBytes);
  std::string out(kind);
  out.reserve(kHeaderBytes + content.size());
  append_number(out, format, 4);
  append_number(out, content.size(), 8);
  append_number(out, crc64(content), 8);
  out += content;
  return out;
}

Result<std::string_view> unframe_state(std::string_view kind, std::uint32_t format,
                                       std::string_view file) {
  if (file.size() < kHeaderBytes || !file.starts_with(kind)) {
    return fail(ErrorCode::kInvalid, "not a state file of this kind");
  }
  if (read_number(file.substr(kKindBytes, 4)) != format) {
    return fail(ErrorCode::kProtocol, "state file of another format");
  }
  const auto content = file.substr(kHeaderBytes);
  if (read_number(file.substr(kKindBytes + 4, 8)) != content.size()) {
    return fail(ErrorCode::kInvalid, "state file with bytes missing or added");
  }
  if (read_number(file.substr(kKindBytes + 12, 8)) != crc64(content)) {
    return fail(ErrorCode::kInvalid, "state file whose checksum is wrong");
  }
  return content;
}

Result<void> write_state_file(const std::string& path, std::string_view kind, std::uint32_t format,
                              std::string_view content) {
  // Two processes may write at a time, while one takes the other's place: the last one holds.
  const std::string temporary =
      std::string(path).append(kTemporary).append(std::to_string(::getpid()));
  auto written = write_synced(temporary, frame_state(kind, format, content));
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = fail_errno(errno, "rename file");
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_folder_of(path);
}

void remove_unfinished_state_files(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string prefix = whole.filename().string().append(kTemporary);
  std::error_code error;
  for (std::filesystem::directory_iterator it(whole.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const auto writer = static_cast<pid_t>(std::atoi(name.c_str() + prefix.size()));
    if (writer > 0 && ::kill(writer, 0) == 0) continue;
    ::unlink(it->path().c_str());
  }
}

Result<std::string> read_state_file(const std::string& path, std::string_view kind,
                                    std::uint32_t format, std::size_t max_bytes) {
  const auto file = read_file(path, max_bytes);
  if (!file) return std::unexpected(file.error());
  const auto content = unframe_state(kind, format, *file);
  if (!content) return std::unexpected(content.error());
  return std::string(*content);
}

void append_text(std::string& out, std::string_view text) {
  append_number(out, text.size(), 8);
  out += text;
}

std::optional<std::string_view> take_text(std::string_view& rest) {
  if (rest.size() < 8) return std::nullopt;
  const std::uint64_t size = read_number(rest.substr(0, 8));
  if (size > rest.size() - 8) return std::nullopt;
  const auto text = rest.substr(8, size);
  rest.remove_prefix(8 + size);
  return text;
}

}  // namespace culvert
