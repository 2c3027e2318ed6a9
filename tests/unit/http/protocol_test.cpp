#include "culvert/http/protocol.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace culvert::http;

namespace {

Detected detect(std::string_view bytes) {
  return detect_protocol({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

using namespace std::string_view_literals;

struct Row {
  std::string_view bytes;
  Detected detected;
};

const Row kRows[] = {
    {"GET / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"GET / HTTP/1.0\r\n"sv, Detected::kHttp1},
    {"\r\nGET / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"PROPFIND http://a/b HTTP/1.1\r\nHost: a\r\n"sv, Detected::kHttp1},
    // Badly written: the reader refuses it, rather than that it passes rules by as TCP.
    {"GET / HTTP/1.1\n"sv, Detected::kHttp1},
    {"GET  /  HTTP/9.9 \r\n"sv, Detected::kHttp1},
    {"GET /\x01 HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, Detected::kHttp2},
    {"PRI * HTTP/2.0\r\nX"sv, Detected::kHttp1},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"sv, Detected::kTls},
    {"\x16\x03\x03\x40\x00\x01"sv, Detected::kTls},
    {"\x16\x03\x03\x40\x01\x01"sv, Detected::kTcp},
    {"\x16\x03\x03\x00\x03\x01"sv, Detected::kTcp},
    {"\x16\x03\x01\x02\x00\x02"sv, Detected::kTcp},
    {"\x16\x02"sv, Detected::kTcp},
    {"\x16\x03\x05"sv, Detected::kTcp},
    {"\x15\x03\x01\x00\x02"sv, Detected::kTcp},
    {"\0"sv, Detected::kTcp},
    {"HELO example.com\r\n"sv, Detected::kTcp},
    {"get key\r\n"sv, Detected::kTcp},
    {"*1\r\n$4\r\nPING\r\n"sv, Detected::kTcp},
    {"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"sv, Detected::kTcp},
    {"SSH-2.0-OpenSSH_9.2p1\r\n"sv, Detected::kTcp},
    {"GET /x\n"sv, Detected::kHttp1},  // HTTP/0.9
    {"GET /x\r\n"sv, Detected::kHttp1},
    {" GET / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"GET\t/\thttp/1.1\r\n"sv, Detected::kHttp1},
    {"GET\r/\fHTTP/1.1\r"sv, Detected::kHttp1},
    {"GET / HTTP/1.1\r\r"sv, Detected::kHttp1},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"get /key\r\n"sv, Detected::kTcp},
    {"OPTIONS rtsp://a RTSP/1.0\r\n"sv, Detected::kTcp},
    {"\n"sv, Detected::kMore},
    {"\r\n\r\nGET / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"\n\nGET / HTTP/1.1\r\n"sv, Detected::kHttp1},
    {"\r\n\x16"sv, Detected::kTcp},
};

}  // namespace

TEST_CASE("a protocol is known by its first bytes, and each byte before only waits") {
  for (const Row& row : kRows) {
    CAPTURE(std::string(row.bytes));
    CHECK(detect(row.bytes) == row.detected);
    bool decided = false;
    for (std::size_t size = 0; size < row.bytes.size(); ++size) {
      const auto so_far = detect(row.bytes.substr(0, size));
      if (so_far != Detected::kMore) decided = true;
      if (decided) CHECK(so_far == row.detected);
    }
    CHECK(detect(std::string(row.bytes) + "more") == row.detected);
  }
  CHECK(detect("") == Detected::kMore);
  CHECK(detect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r") == Detected::kMore);
  CHECK(detect("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") == Detected::kMore);
  CHECK(detect("GET / HTTP") == Detected::kMore);
}

TEST_CASE("the end of what a client says is the end of its line") {
  const auto ended = [](std::string_view bytes) {
    return detect_protocol({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                           true);
  };
  CHECK(detect("GET /x") == Detected::kMore);
  CHECK(ended("GET /x") == Detected::kHttp1);
  CHECK(ended("GET x") == Detected::kTcp);
  CHECK(ended("hello") == Detected::kTcp);
}

TEST_CASE("a first line without an end is taken for what its beginning says") {
  const auto line = [](std::string_view begin, std::size_t size) {
    return std::string(begin) + std::string(size - begin.size(), 'a');
  };
  CHECK(detect(line("GET /", kMaxDetectBytes - 1)) == Detected::kMore);
  CHECK(detect(line("GET /", kMaxDetectBytes)) == Detected::kHttp1);
  CHECK(detect(line("GET http://", kMaxDetectBytes)) == Detected::kHttp1);
  CHECK(detect(line("set ", kMaxDetectBytes)) == Detected::kTcp);
  CHECK(detect(line("GET HTTP://", kMaxDetectBytes)) == Detected::kHttp1);
  CHECK(detect(line("CONNECT ", kMaxDetectBytes)) == Detected::kHttp1);
  // White space does not use the bound up: servers may pass over any amount of it.
  const auto padded = [](std::string_view begin, char with, std::string_view end) {
    return std::string(begin) + std::string(kMaxDetectBytes, with) + std::string(end);
  };
  CHECK(detect(padded("", '\n', "GET / HTTP/1.1\r\n")) == Detected::kHttp1);
  CHECK(detect(padded("GET", ' ', "/ HTTP/1.1\r\n")) == Detected::kHttp1);
  CHECK(detect(std::string(kMaxDetectBytes - 2, '\n') + "GE") == Detected::kHttp1);
  CHECK(detect(std::string(kMaxDetectBytes - 2, '\n') + "G\x01") == Detected::kTcp);
  CHECK(detect(std::string(kMaxDetectBytes, 'A')) == Detected::kTcp);
  // More bytes change nothing.
  CHECK(detect(line("GET /", kMaxDetectBytes) + " x\r\n") == Detected::kHttp1);
  CHECK(detect(line("set ", kMaxDetectBytes) + " HTTP/1.1\r\n") == Detected::kTcp);
}

TEST_CASE("ports declare their protocol by appProtocol, else by name, as in Istio") {
  using enum PortProtocol;
  struct PortRow {
    const char* name;
    const char* app;  // nullptr: not set
    PortProtocol protocol;
    std::uint16_t port = 80;
  };
  for (const PortRow& row : {
           PortRow{"http", nullptr, kHttp},
           {"HTTP-web", nullptr, kHttp},
           {"http2-x", nullptr, kHttp2},
           {"grpc", nullptr, kGrpc},
           {"grpc-x", nullptr, kGrpc},
           {"grpc-web", nullptr, kGrpcWeb},
           {"gRPC-Web-x", nullptr, kGrpcWeb},
           {"https", nullptr, kHttps},
           {"tls-x", nullptr, kTls},
           {"tcp", nullptr, kTcp},
           {"mongo", nullptr, kMongo},
           {"mysql-1", nullptr, kMysql},
           {"redis", nullptr, kRedis},
           {"udp-dns", nullptr, kUdp},
           {"", nullptr, kUnknown},
           {"web", nullptr, kUnknown},
           {"httpx", nullptr, kUnknown},
           {"web-http", nullptr, kUnknown},
           {"unknown", nullptr, kUnknown},
           {"", nullptr, kTcp, 3306},
           {"db", nullptr, kTcp, 27017},
           {"", nullptr, kTcp, 25},
           {"", nullptr, kTcp, 53},
           {"http", nullptr, kHttp, 3306},
           {"http", "tcp", kTcp},
           {"tcp", "http2", kHttp2},
           {"tcp", "grpc-x", kGrpc},
           {"http", "x", kUnknown},
           {"http", "", kUnknown},
           {"http", "x", kTcp, 3306},
           {"x", "kubernetes.io/h2c", kHttp2},
           {"x", "kubernetes.io/ws", kHttp},
           {"x", "kubernetes.io/wss", kHttps},
           {"kubernetes.io/ws", nullptr, kUnknown},
           {"x", "Kubernetes.io/ws", kUnknown},
       }) {
    CAPTURE(row.name);
    const auto app = row.app != nullptr ? std::optional<std::string_view>(row.app) : std::nullopt;
    CHECK(declared_protocol(row.name, app, row.port) == row.protocol);
    if (row.protocol != kUnknown) {
      CHECK(declared_protocol(name_of(row.protocol), std::nullopt, 80) == row.protocol);
    }
  }
}
