#include "bench/h2_link.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "bench/pattern.hpp"

namespace culvert::bench {
namespace {

constexpr std::uint32_t kStreamsMax = 1024;
constexpr std::size_t kBatchBytes = 256U << 10;  // collected for one send(2)

}  // namespace

nghttp2_nv h2_field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // it only reads them
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view as_text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

H2Callbacks new_h2_callbacks() {
  nghttp2_session_callbacks* made = nullptr;
  if (nghttp2_session_callbacks_new(&made) != 0) std::abort();
  return H2Callbacks(made);
}

H2Link::H2Link(bool server, const nghttp2_session_callbacks* callbacks, void* user) {
  nghttp2_session* made = nullptr;
  const int error = server ? nghttp2_session_server_new(&made, callbacks, user)
                           : nghttp2_session_client_new(&made, callbacks, user);
  if (error != 0) std::abort();  // out of memory
  session_.reset(made);
  const std::array<nghttp2_settings_entry, 2> settings{
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kH2WindowBytes}};
  nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, kH2WindowBytes);
}

bool H2Link::take(std::string_view bytes) {
  const auto taken = nghttp2_session_mem_recv(
      session(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return taken == static_cast<ssize_t>(bytes.size());
}

bool H2Link::read(int fd) {
  static std::array<char, kSpanBytes> buffer;  // one thread: what is read is taken at once
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return true;
  return n > 0 && take({buffer.data(), static_cast<std::size_t>(n)}) && flush(fd);
}

bool H2Link::flush(int fd) {
  while (true) {
    while (out_.size() < kBatchBytes) {
      const std::uint8_t* ready = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session(), &ready);
      if (n < 0) return false;
      if (n == 0) break;
      out_.append(reinterpret_cast<const char*>(ready), static_cast<std::size_t>(n));
    }
    if (out_.empty()) return true;
    const ssize_t n = ::send(fd, out_.data(), out_.size(), 0);
    if (n < 0) return errno == EAGAIN;
    out_.erase(0, static_cast<std::size_t>(n));
    if (!out_.empty()) return true;  // the socket is full
  }
}

}  // namespace culvert::bench
