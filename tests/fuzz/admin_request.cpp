// HTTP on the admin sockets: any bytes give one well-formed answer or none, handlers run at most
// once; what the agent takes as a pod can be written to its file and read back, and what ztunnel
// takes for its log levels can be told.
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "http_exchange.hpp"
#include "pod_json.hpp"
#include "property.hpp"
#include "ztunnel/admin/logging.hpp"

using namespace culvert;
using fuzz::require;

namespace {

constexpr std::chrono::milliseconds kIoTimeout{1000};
// Less than a socket pair holds, so that one thread can be both ends.
constexpr std::size_t kMaxInputBytes = 64U << 10;
constexpr std::string_view kBootId = "boot";

int g_handled = 0;

admin::Response take_pod(const admin::Request& request) {
  ++g_handled;
  require(request.method == "POST" && request.path == "/pods", "the route fits the request");
  require(request.body.size() <= admin::kMaxBodyBytes, "bodies are bounded");
  const auto spec = agent::parse_pod(request.body);
  if (!spec) return admin::error_response(400, spec.error().what, spec.error().next);
  const std::vector<agent::Pod> pods{{*spec, 7}};
  const auto again = agent::parse_pods(agent::format_pods(pods, kBootId), kBootId);
  require(again && *again == pods, "the file of pods is read as it was written");
  return {};
}

admin::Response tell(const admin::Request& request) {
  ++g_handled;
  for (const auto& [name, value] : request.headers) {
    require(std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; }),
            "header names are in lower case");
  }
  std::string text = request.method + " " + request.path + " " + request.rest;
  for (const auto& [name, value] : request.query) text += " " + name + "=" + value;
  return {200, text, "text/plain"};
}

admin::Response take_pods_file(const admin::Request& request) {
  ++g_handled;
  const auto pods = agent::parse_pods(request.body, kBootId);
  if (!pods) return admin::error_response(400, pods.error().what, pods.error().next);
  const auto again = agent::parse_pods(agent::format_pods(*pods, kBootId), kBootId);
  require(again && *again == *pods, "the file of pods is read as it was written");
  return {};
}

admin::Response change_levels(const admin::Request& request) {
  ++g_handled;
  const ztunnel::LogSettings initial;
  const auto changed = ztunnel::change_log_settings(initial, initial, request.query);
  if (!changed) return {400, changed.error(), "text/plain"};
  const auto again = ztunnel::change_log_settings(*changed, *changed, request.query);
  require(again && again->to_string() == changed->to_string(), "the same again changes nothing");
  const auto back = ztunnel::change_log_settings(initial, *changed, {{"reset", ""}});
  require(back && back->to_string() == initial.to_string(), "levels are as they were started");
  return {200, changed->to_string(), "text/plain"};
}

std::string read_all(int fd) {
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

// One status line, one head, and a body as long as the head says (HEAD: none).
void check_answer(std::string_view answer) {
  require(answer.starts_with("HTTP/1.1 ") || answer.starts_with("HTTP/1.0 "), "it is HTTP");
  int status = 0;
  std::from_chars(answer.data() + 9, answer.data() + std::min<std::size_t>(12, answer.size()),
                  status);
  require(status >= 100 && status <= 599, "it has a status");
  const auto end = answer.find("\r\n\r\n");
  require(end != std::string_view::npos, "its head ends");
  const auto body = answer.substr(end + 4);
  const auto head = answer.substr(0, end);
  const auto at = head.find("Content-Length: ");
  if (at == std::string_view::npos) return;
  std::size_t length = 0;
  std::from_chars(head.data() + at + 16, head.data() + head.size(), length);
  require(body.empty() || body.size() == length, "its body is as long as it says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::kError);
  static admin::HttpExchange exchange({{"POST", "/pods", take_pod},
                                       {"POST", "/file", take_pods_file},
                                       {"POST", "/logging", change_levels},
                                       {"DELETE", "/pods/*", tell},
                                       {"GET", "/*", tell}});
  if (size > kMaxInputBytes) return -1;
  int fds[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "a socket pair is made");
  const UniqueFd client(fds[0]), server(fds[1]);
  require(::send(client.get(), data, size, 0) == static_cast<ssize_t>(size), "the input fits");
  ::shutdown(client.get(), SHUT_WR);
  g_handled = 0;
  exchange.serve(server.get(), kIoTimeout);
  ::shutdown(server.get(), SHUT_WR);
  require(g_handled <= 1, "a connection is one request");
  const auto answer = read_all(client.get());
  if (!answer.empty()) check_answer(answer);
  return 0;
}
