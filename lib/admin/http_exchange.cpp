#include "http_exchange.hpp"

#include <httplib.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "culvert/base/gzip.hpp"
#include "culvert/base/log.hpp"
#include "deadline_socket.hpp"

namespace culvert::admin {
namespace {

// What httplib reads from and writes to. Reading is bounded in bytes as a whole, so endless headers
// end too; the first byte of the answer starts the deadline anew.
class BoundedStream final : public httplib::Stream {
 public:
  BoundedStream(int fd, std::chrono::milliseconds io_timeout)
      : socket_(fd, Clock::now() + io_timeout), io_timeout_(io_timeout) {}

  bool is_readable() const override { return socket_.wait(POLLIN).has_value(); }
  bool is_writable() const override { return socket_.wait(POLLOUT).has_value(); }
  ssize_t read(char* into, std::size_t size) override {
    if (next_ == end_ && !fill()) return failed_ ? -1 : 0;
    const std::size_t n = std::min(size, end_ - next_);
    std::copy_n(buffer_.data() + next_, n, into);
    next_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* bytes, std::size_t size) override {
    if (!answering_) socket_.set_deadline(Clock::now() + io_timeout_);
    answering_ = true;
    return socket_.write(bytes, size) ? static_cast<ssize_t>(size) : -1;
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_.fd(); }

 private:
  bool fill() {
    const auto n = socket_.read(buffer_.data(), buffer_.size());
    failed_ = !n || (total_ += *n) > kMaxHeadBytes + kMaxBodyBytes;
    if (failed_ || *n == 0) return false;
    next_ = 0;
    end_ = *n;
    return true;
  }

  DeadlineSocket socket_;
  std::chrono::milliseconds io_timeout_;
  std::array<char, 4096> buffer_{};
  std::size_t next_ = 0;
  std::size_t end_ = 0;
  std::size_t total_ = 0;
  bool failed_ = false;
  bool answering_ = false;
};

// What the client takes is kept for us under this name: httplib would compress by content type what
// we have compressed already.
constexpr const char* kAcceptEncoding = "Culvert-Accept-Encoding";

void keep_encodings(httplib::Request& request) {
  request.headers.erase(kAcceptEncoding);
  const std::string accepted = request.get_header_value("Accept-Encoding");
  request.headers.erase("Accept-Encoding");
  if (!accepted.empty()) request.set_header(kAcceptEncoding, accepted);
}

// "gzip" in a list such as "br;q=1.0, gzip;q=0.8"; not with a quality of 0 (RFC 9110 section
// 12.5.3).
bool takes_gzip(const std::string& accepted) {
  std::size_t begin = 0;
  while (begin < accepted.size()) {
    const std::size_t end = std::min(accepted.find(',', begin), accepted.size());
    std::string one = accepted.substr(begin, end - begin);
    std::erase_if(one, [](char c) { return c == ' ' || c == '\t'; });
    const auto name_end = std::min(one.find(';'), one.size());
    const bool named = one.substr(0, name_end) == "gzip" || one.substr(0, name_end) == "*";
    const auto quality = one.find(";q=0", name_end);
    const bool refused = quality != std::string::npos &&
                         one.find_first_not_of("0.", quality + 3) == std::string::npos;
    if (named && !refused) return true;
    begin = end + 1;
  }
  return false;
}

constexpr std::size_t kWorthCompressing = 1024;

void fill(httplib::Response& response, const httplib::Request& request, Response ours) {
  response.status = ours.status;
  for (const auto& [name, value] : ours.headers) response.set_header(name, value);
  if (ours.body.size() >= kWorthCompressing && !ours.compressed) {
    response.set_header("Vary", "Accept-Encoding");
    if (takes_gzip(request.get_header_value(kAcceptEncoding))) {
      if (auto packed = gzip(ours.body)) {
        response.set_header("Content-Encoding", "gzip");
        ours.body = std::move(*packed);
      }
    }
  }
  response.body = std::move(ours.body);  // set_content() would copy it
  response.set_header("Content-Type", ours.content_type);
}

// A request without a length has no body (RFC 9112 section 6.3); httplib would read until the
// client closes, as `curl -X POST` never does.
void prepare(httplib::Request& request) {
  keep_encodings(request);
  if (request.has_header("Content-Length") || request.has_header("Transfer-Encoding")) return;
  request.set_header("Content-Length", "0");
}

Request to_request(const httplib::Request& from) {
  Request out{
      .method = from.method == "HEAD" ? "GET" : from.method, .path = from.path, .body = from.body};
  for (const auto& [name, value] : from.params) out.query.try_emplace(name, value);
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    out.headers.try_emplace(lower, value);
  }
  return out;
}

// True when the route's path fits; sets `rest`.
bool fits(const Route& route, Request& request) {
  if (!route.path.ends_with("/*")) return route.path == request.path;
  const std::string_view prefix(route.path.data(), route.path.size() - 1);
  if (!request.path.starts_with(prefix)) return false;
  request.rest = request.path.substr(prefix.size());
  return true;
}

Response answer(const std::vector<Route>& routes, Request request) {
  bool known_path = false;
  for (const Route& route : routes) {
    if (!fits(route, request)) continue;
    known_path = true;
    if (route.method == request.method) return route.handler(request);
  }
  std::string paths;
  for (const Route& route : routes)
    paths += (paths.empty() ? "" : ", ") + route.method + " " + route.path;
  return error_response(known_path ? 405 : 404, known_path ? "no such method here" : "no such path",
                        "this server has: " + paths);
}

}  // namespace

class HttpExchange::Parser final : public httplib::Server {
 public:
  explicit Parser(std::vector<Route> routes) : routes_(std::move(routes)) {
    set_payload_max_length(kMaxBodyBytes);
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
      fill(response, request, answer(routes_, to_request(request)));
    };
    Get(".*", handler).Post(".*", handler).Put(".*", handler).Delete(".*", handler);
    set_exception_handler([](const httplib::Request& request, httplib::Response& response,
                             const std::exception_ptr&) {
      log::error("admin: the handler of {} {} failed", request.method, request.path);
      response.status = 500;
    });
  }

  void serve(int fd, std::chrono::milliseconds io_timeout) {
    BoundedStream stream(fd, io_timeout);
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed, &prepare);
  }

 private:
  const std::vector<Route> routes_;
};

HttpExchange::HttpExchange(std::vector<Route> routes)
    : parser_(std::make_unique<Parser>(std::move(routes))) {}
HttpExchange::~HttpExchange() = default;

void HttpExchange::serve(int fd, std::chrono::milliseconds io_timeout) {
  try {
    parser_->serve(fd, io_timeout);
  } catch (const std::exception& e) {
    log::warn("admin: a request was dropped: {}", e.what());
  }
}

}  // namespace culvert::admin
