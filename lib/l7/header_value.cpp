// Envoy's substitution format, as far as requests on their way upstream have something to say.
#include "culvert/l7/header_value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "read.hpp"

namespace culvert::l7 {
namespace {

bool is_field_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\t' || (c >= ' ' && c != 0x7f); });
}

}  // namespace

std::expected<HeaderValue::Part, std::string> HeaderValue::parse_command(std::string_view command) {
  using enum Command;
  Part part;
  if (command.starts_with("REQ(")) {
    const auto close = command.find(')');
    if (close == std::string_view::npos) return std::unexpected("%REQ( without its )");
    const auto names = command.substr(4, close - 4);
    const auto question = names.find('?');
    part.command = kRequestHeader;
    part.text = lower_case(names.substr(0, question));
    if (question != std::string_view::npos) part.other = lower_case(names.substr(question + 1));
    if (part.text.empty()) return std::unexpected("%REQ()% without a header's name");
    auto rest = command.substr(close + 1);
    if (rest.empty()) return part;
    const auto* end = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(rest.data() + 1, end, part.length);
    if (rest[0] == ':' && rest.size() > 1 && error == std::errc() && stop == end) return part;
    return std::unexpected(fmt::format("\"{}\" after %REQ() is no length", rest));
  }
  for (const auto& [name, known] :
       {std::pair{"PROTOCOL", kProtocol}, std::pair{"DOWNSTREAM_REMOTE_ADDRESS", kRemoteAddress},
        std::pair{"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", kRemoteAddressWithoutPort},
        std::pair{"DOWNSTREAM_PEER_URI_SAN", kPeerUri}, std::pair{"ROUTE_NAME", kRouteName}}) {
    if (command != name) continue;
    part.command = known;
    return part;
  }
  return std::unexpected(fmt::format("the substitution %{}% is not honoured", command));
}

std::expected<HeaderValue, std::string> HeaderValue::parse(std::string_view text) {
  if (!is_field_text(text)) return std::unexpected("has a control character in it");
  HeaderValue value;
  const auto add_text = [&](std::string_view more) {
    if (more.empty()) return;
    if (value.parts_.empty() || value.parts_.back().command != Command::kText) {
      value.parts_.emplace_back();
    }
    value.parts_.back().text += more;
  };
  while (!text.empty()) {
    const auto percent = text.find('%');
    add_text(text.substr(0, percent));
    if (percent == std::string_view::npos) break;
    text.remove_prefix(percent + 1);
    const auto close = text.find('%');
    if (close == std::string_view::npos) {
      return std::unexpected("a single \"%\" starts a substitution: write \"%%\" for the sign");
    }
    if (close == 0) {
      add_text("%");
    } else {
      auto part = parse_command(text.substr(0, close));
      if (!part) return std::unexpected(std::move(part.error()));
      value.parts_.push_back(std::move(*part));
    }
    text.remove_prefix(close + 1);
  }
  return value;
}

std::string HeaderValue::format(const ExchangeView& exchange) const {
  using enum Command;
  std::string out;
  std::string storage;
  for (const auto& part : parts_) {
    switch (part.command) {
      case kText:
        out += part.text;
        break;
      case kRequestHeader: {
        auto found = exchange.request.header(part.text, storage);
        if (!found && !part.other.empty()) found = exchange.request.header(part.other, storage);
        out += found.value_or("").substr(0, part.length);
        break;
      }
      case kProtocol:
        out += exchange.request.protocol;
        break;
      case kRemoteAddress:
        out += exchange.client.address ? exchange.client.address->to_string() : "";
        break;
      case kRemoteAddressWithoutPort:
        out += exchange.client.address ? exchange.client.address->ip.to_string() : "";
        break;
      case kPeerUri:
        out += exchange.client.identity;
        break;
      case kRouteName:
        out += exchange.route_name;
        break;
    }
  }
  return out;
}

}  // namespace culvert::l7
