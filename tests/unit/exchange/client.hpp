// A client in memory: what it sends, and what it was answered.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "culvert/io/event.hpp"
#include "upstreams.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint::test {

struct Ask {
  std::string path = "/";
  FieldList fields = {};
  std::string method = "GET";
  std::vector<std::string> parts = {};  // of the body; none: no body
  milliseconds between_parts{0};
  bool ends = true;                 // false: the body's end never comes
  std::optional<ErrorCode> breaks;  // after the parts, instead of the end
  FieldList trailers = {};
  std::string authority = "reviews";
  std::string scheme = "http";
  http::Version version = http::Version::kHttp11;
  std::string upgrade = "";
  milliseconds after{0};                   // when it is asked
  std::optional<milliseconds> gone_after;  // then the client goes away, or
  StoppedBy stopped_by = StoppedBy::kClient;
  milliseconds reads_every{0};  // of each part of the answer
  // Where it came in, and from whom.
  std::string ns = "shop";
  bool with_identity = true;
  std::string pod = "client";  // of whom labels are known
  std::string gateway = "mesh";
  std::string service = "reviews";  // addressed; empty: the workload below
  std::string workload = "";        // addressed by its own address
  std::uint16_t port = 80;
  bool ipv6 = false;
};

class AskingClient final : public ServerExchange {
 public:
  explicit AskingClient(const Ask& ask);

  io::Task<Result<Bytes>> read_body(io::Deadline deadline) override;
  std::optional<Result<Bytes>> try_read_body() override;
  http::Fields& request_trailers() override { return trailers_; }
  StoppedBy stopped_by() const override { return ask_.stopped_by; }
  void send_informational(const http::ResponseHead& sent) override {
    informational.push_back(sent.status);
  }
  void send_head(const http::ResponseHead& sent, bool end) override;
  io::Task<Result<void>> write_body(Bytes bytes, io::Deadline deadline) override;
  io::Task<Result<void>> finish(const http::Fields& sent, io::Deadline deadline) override;
  void reset(std::uint32_t http2_code) override { reset_code = http2_code; }

  std::vector<std::uint16_t> informational;
  std::optional<http::ResponseHead> head;
  std::string body;
  FieldList trailers;
  bool whole = false;
  std::optional<std::uint32_t> reset_code;

 private:
  const Ask& ask_;
  http::Fields trailers_;
  std::size_t given_ = 0;
};

}  // namespace culvert::waypoint::test
