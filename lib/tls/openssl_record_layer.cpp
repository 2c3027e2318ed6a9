// Records by OpenSSL. Owned by a Session, on its thread.
#include "openssl_record_layer.hpp"

#include <openssl/err.h>

#include <utility>
#include <vector>

#include "ssl_failure.hpp"

namespace culvert::tls {
namespace {

class OpensslRecordLayer final : public RecordLayer {
 public:
  OpensslRecordLayer(SslPtr ssl, Origin peer_origin)
      : ssl_(std::move(ssl)), peer_origin_(peer_origin) {}

  Result<void> seal_parts(Parts parts, std::string& out) override {
    if (parts.size() == 1) return seal_one(parts.front(), out);
    std::vector<std::byte> joined;
    for (const auto part : parts) joined.insert(joined.end(), part.begin(), part.end());
    return seal_one(joined, out);
  }

  Result<void> seal_one(std::span<const std::byte> plaintext, std::string& out) {
    if (dead_) return fail(ErrorCode::kTls, "TLS connection has failed", peer_origin_);
    if (closed_) return fail(ErrorCode::kClosed, "we have closed the TLS connection");
    if (plaintext.empty()) return {};
    ERR_clear_error();
    std::size_t written = 0;
    // A memory BIO takes everything: anything short of all is an error.
    const int done = SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written);
    drain_output(*ssl_, out);
    if (done == 1 && written == plaintext.size()) return {};
    dead_ = true;
    return std::unexpected(take_ssl_failure(SSL_get_error(ssl_.get(), done), Origin::kLocal));
  }

  Result<Inbound> open(std::span<const std::byte> ciphertext, std::string& plaintext,
                       std::string& out) override {
    if (dead_) return fail(ErrorCode::kTls, "TLS connection has failed", peer_origin_);
    if (peer_closed_) return Inbound::kClosed;
    if (!add_input(*ssl_, ciphertext)) {
      dead_ = true;
      return fail(ErrorCode::kLimit, "no memory for TLS input");
    }
    auto result = read_all(plaintext);
    drain_output(*ssl_, out);
    return result;
  }

  void close(std::string& out) override {
    if (dead_ || std::exchange(closed_, true)) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    drain_output(*ssl_, out);
  }

 private:
  Result<Inbound> read_all(std::string& plaintext) {
    for (;;) {
      ERR_clear_error();
      int done = 0;
      const std::size_t before = plaintext.size();
      plaintext.resize_and_overwrite(before + kMaxRecordPlaintext, [&](char* data, std::size_t) {
        std::size_t got = 0;
        done = SSL_read_ex(ssl_.get(), data + before, kMaxRecordPlaintext, &got);
        return before + (done == 1 ? got : 0);
      });
      if (done == 1) continue;
      const int error = SSL_get_error(ssl_.get(), done);
      if (error == SSL_ERROR_WANT_READ) return Inbound::kOpen;
      if (error == SSL_ERROR_ZERO_RETURN) {
        peer_closed_ = true;
        return Inbound::kClosed;
      }
      dead_ = true;
      return std::unexpected(take_ssl_failure(error, peer_origin_));
    }
  }

  SslPtr ssl_;
  Origin peer_origin_;
  bool dead_ = false;
  bool closed_ = false;       // our close_notify is out
  bool peer_closed_ = false;  // the peer's was read
};

}  // namespace

std::unique_ptr<RecordLayer> make_openssl_record_layer(SslPtr ssl, Origin peer_origin) {
  return std::make_unique<OpensslRecordLayer>(std::move(ssl), peer_origin);
}

}  // namespace culvert::tls
