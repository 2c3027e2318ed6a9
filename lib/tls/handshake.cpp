// SSL_do_handshake over memory BIOs.
#include "handshake.hpp"

#include <openssl/err.h>

#include <string_view>
#include <utility>

#include "context_impl.hpp"
#include "openssl_record_layer.hpp"
#include "secret_log.hpp"
#include "ssl_failure.hpp"

namespace culvert::tls {

Handshake::Handshake(const Context& context, Expected expected)
    : records_(context.impl().records), ssl_(SSL_new(context.impl().ssl_ctx.get())) {
  const bool client = context.role() == Role::kClient;
  check_.expected = std::move(expected);
  check_.trust = &context.impl().trust;
  check_.peer_origin = client ? Origin::kUpstream : Origin::kClient;
  BioPtr input(BIO_new(BIO_s_mem()));
  BioPtr output(BIO_new(BIO_s_mem()));
  if (!ssl_ || !input || !output) {
    ssl_.reset();
    ERR_clear_error();
    return;
  }
  SSL_set_bio(ssl_.get(), input.release(), output.release());
  SSL_set_app_data(ssl_.get(), &check_);
  log_secrets_of(*ssl_, &secrets_);
  client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
}

Result<bool> Handshake::advance(std::span<const std::byte> ciphertext, std::string& out) {
  if (!add_input(*ssl_, ciphertext)) return fail(ErrorCode::kLimit, "no memory for TLS input");
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  const int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
  Result<bool> result = true;
  if (error == SSL_ERROR_WANT_READ) {
    result = false;
  } else if (error != SSL_ERROR_NONE) {
    const Error failure = take_ssl_failure(error, check_.peer_origin);
    result = std::unexpected(check_.error.value_or(failure));
  } else if (auto finished = finish(); !finished) {
    result = std::unexpected(finished.error());
  }
  drain_output(*ssl_, out);
  return result;
}

// What OpenSSL leaves to the application: a server that chose no protocol, and (never seen, but
// the identity must not be missing) a peer that was not judged.
Result<void> Handshake::finish() {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  const char* problem = nullptr;
  if (std::string_view(reinterpret_cast<const char*>(protocol), size) != "h2") {
    problem = "the peer did not agree to ALPN h2";
  } else if (check_.peer.identity.empty()) {
    problem = "the peer's certificate was not verified";
  }
  if (problem == nullptr) return {};
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  return fail(ErrorCode::kTls, problem, check_.peer_origin);
}

Result<std::unique_ptr<RecordLayer>> Handshake::take_record_layer() {
  SSL_set_app_data(ssl_.get(), nullptr);
  log_secrets_of(*ssl_, nullptr);
  if (records_ == Records::kOpenssl) {
    return make_openssl_record_layer(std::move(ssl_), check_.peer_origin);
  }
  // OpenSSL reads a record's header, then its body, so that what follows the handshake is still in
  // the BIO. Something inside of the SSL would be lost without a word.
  const auto ssl = std::move(ssl_);
  if (SSL_has_pending(ssl.get()) != 0) {
    return fail(ErrorCode::kTls, "OpenSSL holds bytes that followed the handshake");
  }
  secrets_.suite = Suite::find(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl.get())));
  return make_own_record_layer(std::move(secrets_), SSL_is_server(ssl.get()) == 1,
                               take_unread(*ssl));
}

}  // namespace culvert::tls
