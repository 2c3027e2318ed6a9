#include "culvert/proxy/accept_tls.hpp"

#include "culvert/base/log.hpp"
#include "culvert/proxy/limits.hpp"

namespace culvert::proxy {

io::Task<Result<std::unique_ptr<tls::Stream>>> accept_tls(TunnelOwner* owner, std::string identity,
                                                          UniqueFd fd) {
  auto credentials = co_await owner->credentials_of(std::move(identity), io::in(kCertificateWait));
  if (!credentials) co_return std::unexpected(credentials.error());
  auto session = tls::Session::server(credentials->server, {.revoked = owner->revoked()});
  if (!session) co_return std::unexpected(session.error());
  auto stream = std::make_unique<tls::Stream>(std::move(fd), std::move(*session));
  if (auto shaken = co_await stream->handshake(io::in(kHandshakeTimeout)); !shaken) {
    owner->note_handshake_failure(shaken.error());
    co_return std::unexpected(shaken.error());
  }
  // Revoked while the handshake was under way.
  const auto current = tls::check_revoked(stream->peer()->chain, owner->revoked(), Origin::kClient);
  if (!current) {
    owner->note_handshake_failure(current.error());
    co_return std::unexpected(current.error());
  }
  co_return stream;
}

void log_tunnel_end(const mesh::Identity& peer, const SocketAddress& from, const Error& why) {
  if (why.code == ErrorCode::kCancelled) return;
  const bool hostile = why.code == ErrorCode::kLimit || why.code == ErrorCode::kProtocol;
  const auto text =
      fmt::format("tunnel of {} from {}: {}", peer.to_string(), from.to_string(), why.to_string());
  hostile ? log::warn("{}", text) : log::debug("{}", text);
}

}  // namespace culvert::proxy
