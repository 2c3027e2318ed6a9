// Requests and reports survive the way to text and back; anything else is refused.
#include "bench/http.hpp"

#include <doctest/doctest.h>

using namespace culvert::bench;

TEST_CASE("a request is read as it was made") {
  const auto get = parse_request(get_request("bench", 1024, 42, false));
  REQUIRE(get);
  CHECK(get->kind == Request::Kind::kBytes);
  CHECK(get->size == 1024);
  CHECK(get->stream == 42);
  CHECK_FALSE(get->close);
  CHECK(parse_request(get_request("a", 0, UINT64_MAX, true))->close);
  const auto put = parse_request(put_request(3));
  REQUIRE(put);
  CHECK(put->kind == Request::Kind::kSink);
  CHECK(put->stream == 3);
  CHECK(get_request("a", 1024, 1, false).size() ==
        get_request("a", 1024, UINT64_MAX, false).size());
}

TEST_CASE("a path is read as it was made, and no other") {
  const auto request = parse_bytes_path(bytes_path(1024, 42));
  REQUIRE(request);
  CHECK(request->size == 1024);
  CHECK(request->stream == 42);
  for (const char* path : {"", "/bytes/1", "/bytes/1/", "/bytes/1/2/", "/bytes/x/2", "/sink/1/2"})
    CHECK_MESSAGE(!parse_bytes_path(path), path);
}

TEST_CASE("an answer's head behind a proxy is known by success and length, whatever else it has") {
  CHECK(is_answer_head(answer_head(1024), 1024));
  CHECK(is_answer_head("HTTP/1.1 200 \r\nserver: x\r\ncontent-length: 7\r\nvia: y\r\n\r\n", 7));
  for (const char* head :
       {"HTTP/1.1 503 \r\ncontent-length: 7\r\n\r\n", "HTTP/1.1 200 \r\ncontent-length: 71\r\n\r\n",
        "HTTP/1.1 200 \r\nx-content-length: 7\r\n\r\n", "HTTP/1.1 200 \r\ncontent-length: 7\r\n",
        ""})
    CHECK_MESSAGE(!is_answer_head(head, 7), head);
}

TEST_CASE("other requests are refused") {
  for (const char* head :
       {"", "GET / HTTP/1.1\r\n\r\n", "GET /bytes/12 HTTP/1.1\r\n\r\n",
        "GET /bytes/1/2 HTTP/1.0\r\n\r\n", "GET /bytes/-1/2 HTTP/1.1\r\n\r\n",
        "GET /bytes/99999999999999/2 HTTP/1.1\r\n\r\n", "PUT /sink/ HTTP/1.1\r\n\r\n"})
    CHECK_MESSAGE(!parse_request(head), head);
}

TEST_CASE("the origin's report is read as it was made, and not when cut") {
  const std::string answer = sink_answer({12345, 6});
  const auto report = parse_sink_answer(answer);
  REQUIRE(report);
  CHECK(report->bytes == 12345);
  CHECK(report->wrong == 6);
  for (std::size_t cut = 0; cut < answer.size(); ++cut)
    CHECK_FALSE(parse_sink_answer(answer.substr(0, cut)));
  CHECK_FALSE(parse_sink_answer(answer + " "));
}
