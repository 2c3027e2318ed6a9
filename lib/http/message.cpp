#include "culvert/http/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "culvert/http/refusal.hpp"

namespace culvert::http {
namespace {

constexpr std::array<std::pair<std::uint16_t, const char*>, 47> kReasons{{
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
}};
static_assert(std::ranges::is_sorted(kReasons, {}, &std::pair<std::uint16_t, const char*>::first));

}  // namespace

const char* reason_phrase(std::uint16_t status) {
  const auto found =
      std::ranges::lower_bound(kReasons, status, {}, &std::pair<std::uint16_t, const char*>::first);
  return found != kReasons.end() && found->first == status ? found->second : "";
}

void RequestHead::clear() {
  version = Version::kHttp11;
  method.clear();
  scheme.clear();
  authority.clear();
  path.clear();
  fields.clear();
  body = {};
  upgrade.clear();
  expects_continue = false;
}

void ResponseHead::clear() {
  version = Version::kHttp11;
  status = 0;
  fields.clear();
  body = {};
  upgrade.clear();
}

Error Refusal::error(Origin origin) const {
  const bool bound = status == 408 || status == 414 || status == 431;
  return {bound ? ErrorCode::kLimit : ErrorCode::kProtocol, origin, 0, text};
}

}  // namespace culvert::http
