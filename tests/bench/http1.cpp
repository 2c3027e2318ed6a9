// What HTTP/1.1 costs a request, in nanoseconds: the best of some rounds each.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "culvert/http/http1_reader.hpp"
#include "culvert/http/http1_writer.hpp"
#include "culvert/http/path.hpp"

using namespace culvert::http;

namespace {

constexpr int kRounds = 9;
constexpr int kTimes = 100'000;

// As a browser sends it through a proxy: ten fields.
constexpr std::string_view kRequest =
    "GET /api/v1/products/42?lang=en&currency=EUR HTTP/1.1\r\n"
    "Host: productpage.shop.svc.cluster.local:9080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=4f1c2a7b9d; user=jason; theme=dark\r\n"
    "X-Request-Id: 2c6b7f0e-5f0f-4f8e-9a41-0c6ac4b2a9b7\r\n"
    "X-Forwarded-For: 10.0.0.12\r\n"
    "X-Forwarded-Proto: http\r\n"
    "Connection: keep-alive\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 0\r\n"
    "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    "Server: gunicorn\r\n"
    "X-Envoy-Upstream-Service-Time: 3\r\n\r\n";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class Work>
void measure(const char* what, Work work) {
  double best = 1e9;
  std::size_t kept = 0;  // so that nothing is left out
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kTimes; ++i) kept += work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / kTimes);
  }
  fmt::print("{:<44} {:>6.0f} ns{}\n", what, best, kept == 0 ? " (nothing done)" : "");
}

}  // namespace

int main() {
  RequestReader reader;
  measure("read a request of 10 fields", [&] {
    (void)reader.read(bytes_of(kRequest));
    const std::size_t fields = reader.head().fields.size();
    (void)reader.read({});
    reader.next();
    return fields;
  });
  measure("the same by a reader of its own", [] {
    RequestReader fresh;
    (void)fresh.read(bytes_of(kRequest));
    return fresh.head().fields.size();
  });
  measure("the same in parts of 64 bytes", [&] {
    for (auto rest = kRequest; !rest.empty();
         rest.remove_prefix(std::min<std::size_t>(64, rest.size()))) {
      (void)reader.read(bytes_of(rest.substr(0, 64)));
    }
    const std::size_t fields = reader.head().fields.size();
    (void)reader.read({});
    reader.next();
    return fields;
  });
  ResponseReader answers;
  measure("read a response of 5 fields", [&] {
    answers.next(false);
    (void)answers.read(bytes_of(kResponse));
    return answers.head().fields.size();
  });
  (void)reader.read(bytes_of(kRequest));
  std::string out;
  measure("write the request", [&] {
    out.clear();
    (void)append_request(reader.head(), true, out);
    return out.size();
  });
  measure("write the response", [&] {
    out.clear();
    (void)append_response(answers.head(), {}, out);
    return out.size();
  });
  measure("normalize its path", [&] {
    return normalized_path(reader.head().path, PathNormalization::kMergeSlashes)->size();
  });
  return 0;
}
