// Session: a handshake, then a record layer, over one output buffer.
#include "culvert/tls/session.hpp"

#include <optional>
#include <utility>

#include "culvert/tls/record_layer.hpp"
#include "handshake.hpp"

namespace culvert::tls {

struct Session::Impl {
  Context context;  // keeps certificate and roots alive while the handshake uses them
  Origin peer_origin;
  std::unique_ptr<Handshake> handshake;  // null once records is set
  std::unique_ptr<RecordLayer> records;
  std::optional<Error> failure;
  PeerCertificate peer;
  Progress progress = Progress::kHandshaking;
  bool closed = false;
  std::string output;
  std::size_t output_sent = 0;  // bytes of `output` that the caller has consumed

  std::unexpected<Error> fail_for_good(const Error& error) {
    failure = error;
    handshake.reset();
    return std::unexpected(error);
  }

  Result<void> advance_handshake(std::span<const std::byte> ciphertext) {
    const auto done = handshake->advance(ciphertext, output);
    if (!done) return fail_for_good(done.error());
    if (!*done) return {};
    peer = handshake->take_peer();
    auto layer = handshake->take_record_layer();
    if (!layer) return fail_for_good(layer.error());
    records = std::move(*layer);
    handshake.reset();
    progress = Progress::kOpen;
    return {};
  }
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::client(const Context& context, Expected expected) {
  if (context.role() != Role::kClient) {
    return fail(ErrorCode::kInvalid, "TLS client session of a server context");
  }
  if (expected.identities.empty()) {
    return fail(ErrorCode::kInvalid, "TLS client session that expects nobody");
  }
  auto impl = std::unique_ptr<Impl>(new Impl{.context = context, .peer_origin = Origin::kUpstream});
  impl->handshake = std::make_unique<Handshake>(context, std::move(expected));
  if (!impl->handshake->valid()) return fail(ErrorCode::kTls, "OpenSSL made no connection");
  if (auto started = impl->advance_handshake({}); !started) {
    return std::unexpected(started.error());
  }
  return Session(std::move(impl));
}

Result<Session> Session::server(const Context& context, Expected expected) {
  if (context.role() != Role::kServer) {
    return fail(ErrorCode::kInvalid, "TLS server session of a client context");
  }
  if (expected.trust_domain.empty()) expected.trust_domain = context.trust_domain();
  auto impl = std::unique_ptr<Impl>(new Impl{.context = context, .peer_origin = Origin::kClient});
  impl->handshake = std::make_unique<Handshake>(context, std::move(expected));
  if (!impl->handshake->valid()) return fail(ErrorCode::kTls, "OpenSSL made no connection");
  return Session(std::move(impl));
}

Result<Progress> Session::feed(std::span<const std::byte> ciphertext, std::string& plaintext) {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  if (impl_->handshake) {
    if (auto advanced = impl_->advance_handshake(ciphertext); !advanced) {
      return std::unexpected(advanced.error());
    }
    if (impl_->handshake) return Progress::kHandshaking;
    ciphertext = {};  // what followed the handshake already waits in the record layer
  }
  const auto opened = impl_->records->open(ciphertext, plaintext, impl_->output);
  if (!opened) return impl_->fail_for_good(opened.error());
  if (*opened == RecordLayer::Inbound::kClosed) impl_->progress = Progress::kPeerClosed;
  return impl_->progress;
}

Result<void> Session::end_of_input() {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  if (impl_->progress == Progress::kPeerClosed) return {};
  const char* const text = impl_->progress == Progress::kHandshaking
                               ? "the peer ended the connection during the TLS handshake"
                               : "the peer ended the connection without close_notify";
  return impl_->fail_for_good(Error{ErrorCode::kReset, impl_->peer_origin, 0, text});
}

Result<void> Session::encrypt_parts(std::span<const std::span<const std::byte>> parts) {
  if (impl_->failure) return std::unexpected(*impl_->failure);
  if (impl_->closed) return fail(ErrorCode::kClosed, "we have closed the TLS connection");
  if (!impl_->records) return fail(ErrorCode::kInvalid, "TLS handshake is not done");
  const auto sealed = impl_->records->seal_parts(parts, impl_->output);
  if (!sealed) return impl_->fail_for_good(sealed.error());
  return {};
}

void Session::close_notify() {
  impl_->closed = true;
  if (impl_->records && !impl_->failure) impl_->records->close(impl_->output);
}

std::span<const std::byte> Session::output() const {
  return std::as_bytes(std::span(impl_->output)).subspan(impl_->output_sent);
}

void Session::consume_output(std::size_t bytes) {
  impl_->output_sent += bytes;
  if (impl_->output_sent < impl_->output.size()) return;
  impl_->output.clear();
  impl_->output_sent = 0;
}

std::string Session::take_output() {
  impl_->output.erase(0, std::exchange(impl_->output_sent, 0));
  return std::exchange(impl_->output, {});
}

Progress Session::progress() const {
  return impl_->progress;
}
const PeerCertificate* Session::peer() const {
  return impl_->progress == Progress::kHandshaking ? nullptr : &impl_->peer;
}

}  // namespace culvert::tls
