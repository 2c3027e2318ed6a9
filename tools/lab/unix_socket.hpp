// Blocking request and answer over a Unix stream socket: the supervisor's protocol and the admin
// HTTP of agent and control. One exchange a connection; for the lab's commands only.
#pragma once

#include <chrono>
#include <string>

#include "culvert/base/fd.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

inline constexpr std::size_t kAnswerBytesMax = 64U << 20;

/// Connects, sends `request` (and ends the stream if `half_close`), reads until the peer closes.
Outcome<std::string> exchange(const std::string& socket_path, const std::string& request,
                              std::chrono::milliseconds timeout, bool half_close);
Outcome<UniqueFd> listen_unix(const std::string& socket_path);

struct HttpAnswer {
  int status = 0;
  std::string body;
};
/// "GET", "/status", "" ...; HTTP/1.0 (RFC 1945), so that the answer ends with the connection.
Outcome<HttpAnswer> http_request(const std::string& socket_path, const std::string& method,
                                 const std::string& target, const std::string& body,
                                 std::chrono::milliseconds timeout);
/// Splits an HTTP/1.x answer into status and body.
Outcome<HttpAnswer> parse_http_answer(const std::string& text);

}  // namespace culvert::lab
