#include "secret_log.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace culvert::tls {
namespace {

// The slot of an SSL in which its RecordSecrets stand.
int slot() {
  static const int kSlot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kSlot;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

Secret from_hex(std::string_view text) {
  std::array<char, kMaxSecretBytes> bytes{};
  const std::size_t size = text.size() / 2;
  if (text.size() % 2 != 0 || size > bytes.size()) return {};
  Secret out;
  bool fine = true;
  for (std::size_t i = 0; i < size; ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    fine = fine && high >= 0 && low >= 0;
    bytes[i] = static_cast<char>(high * 16 + low);
  }
  if (fine) out = Secret({bytes.data(), size});
  wipe_bytes(bytes.data(), bytes.size());
  return out;
}

}  // namespace

void take_secret(std::string_view line, bool server, RecordSecrets& secrets) {
  const auto label_end = line.find(' ');
  const auto random_end = line.find(' ', label_end + 1);
  if (label_end == std::string_view::npos || random_end == std::string_view::npos) return;
  const auto label = line.substr(0, label_end);
  const auto hex = line.substr(random_end + 1);
  if (label == "CLIENT_TRAFFIC_SECRET_0") (server ? secrets.theirs : secrets.ours) = from_hex(hex);
  if (label == "SERVER_TRAFFIC_SECRET_0") (server ? secrets.ours : secrets.theirs) = from_hex(hex);
}

void log_secrets(SSL_CTX& ctx) {
  SSL_CTX_set_keylog_callback(&ctx, [](const SSL* ssl, const char* line) {
    auto* const secrets = static_cast<RecordSecrets*>(SSL_get_ex_data(ssl, slot()));
    if (secrets != nullptr) take_secret(line, SSL_is_server(ssl) == 1, *secrets);
  });
}

void log_secrets_of(SSL& ssl, RecordSecrets* secrets) {
  SSL_set_ex_data(&ssl, slot(), secrets);
}

}  // namespace culvert::tls
