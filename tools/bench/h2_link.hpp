// One HTTP/2 connection of the bench: a socket and nghttp2's session, in clear text and with prior
// knowledge (RFC 9113 section 3.3). What comes is told by the callbacks that the session was made
// with.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>

#include "culvert/base/fd.hpp"

namespace culvert::bench {

inline constexpr std::int32_t kH2WindowBytes = 1 << 20;
inline constexpr std::uint64_t kGrpcMessageBytes = 64;  // of a request; answers have --answer-bytes
inline constexpr std::string_view kH2PrefaceStart = "PRI ";

/// A field of a request or an answer; both views must outlive the submitting call.
nghttp2_nv h2_field(std::string_view name, std::string_view value);
/// What a callback of nghttp2 is given.
std::string_view as_text(const std::uint8_t* bytes, std::size_t size);

class H2Link {
 public:
  /// Both callbacks and `user` stay the caller's. Sends our SETTINGS with the next flush().
  H2Link(bool server, const nghttp2_session_callbacks* callbacks, void* user);

  nghttp2_session* session() { return session_.get(); }
  /// What the peer sent; false when it is not HTTP/2, or a callback refused it.
  bool take(std::string_view bytes);
  /// Reads what is there and answers it. False when the connection is over.
  bool read(int fd);
  /// Sends what is ready, as much as the socket takes. False when the connection is over.
  bool flush(int fd);
  /// Whether the socket did not take all of it.
  bool blocked() const { return !out_.empty(); }

 private:
  struct Delete {
    void operator()(nghttp2_session* one) const { nghttp2_session_del(one); }
  };
  std::unique_ptr<nghttp2_session, Delete> session_;
  std::string out_;
};

struct DeleteCallbacks {
  void operator()(nghttp2_session_callbacks* one) const { nghttp2_session_callbacks_del(one); }
};
using H2Callbacks = std::unique_ptr<nghttp2_session_callbacks, DeleteCallbacks>;
H2Callbacks new_h2_callbacks();

}  // namespace culvert::bench
