// A header's value as a rule writes it: text with Envoy's substitutions, %COMMAND%. Pure;
// immutable.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/l7/request.hpp"

namespace culvert::l7 {

/// What a substitution may speak of. Views, valid as long as their owner.
struct ExchangeView {
  const RequestView& request;
  const ClientView& client;
  std::string_view route_name;
};

class HeaderValue {
 public:
  /// Understood: %%, %REQ(NAME)%, %REQ(NAME?OTHER):LENGTH%, %PROTOCOL%,
  /// %DOWNSTREAM_REMOTE_ADDRESS%, %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%,
  /// %DOWNSTREAM_PEER_URI_SAN%, %ROUTE_NAME%. The error is a reason in words: another command, a
  /// single '%', a control character.
  static std::expected<HeaderValue, std::string> parse(std::string_view text);

  /// As Envoy writes it into headers: nothing for what is not there.
  std::string format(const ExchangeView& exchange) const;
  bool operator==(const HeaderValue&) const = default;

 private:
  enum class Command : std::uint8_t {
    kText,
    kRequestHeader,
    kProtocol,
    kRemoteAddress,
    kRemoteAddressWithoutPort,
    kPeerUri,
    kRouteName,
  };
  struct Part {
    Command command = Command::kText;
    std::string text;   // kText, or a header's name in lower case
    std::string other;  // kRequestHeader: where the first is not there
    std::size_t length = std::string::npos;
    bool operator==(const Part&) const = default;
  };
  static std::expected<Part, std::string> parse_command(std::string_view command);

  std::vector<Part> parts_;
};

}  // namespace culvert::l7
