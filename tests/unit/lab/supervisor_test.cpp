// The supervisor's policies and its protocol.
#include "lab/supervisor.hpp"

#include <doctest/doctest.h>

#include "lab/supervisor_protocol.hpp"
#include "lab/tcp_probe.hpp"

using namespace culvert::lab;

TEST_CASE("restarts back off for pods and come after a second for components") {
  CHECK(restart_delay_s(true, 50) == 1);
  CHECK(restart_delay_s(false, 1) == 1);
  CHECK(restart_delay_s(false, 2) == 2);
  CHECK(restart_delay_s(false, 3) == 4);
  CHECK(restart_delay_s(false, 1000) == kBackoffMaxS);
}

TEST_CASE("restartPolicy decides who comes back") {
  CHECK(should_restart("Always", 0));
  CHECK(should_restart("OnFailure", 1));
  CHECK_FALSE(should_restart("OnFailure", 0));
  CHECK_FALSE(should_restart("Never", 1));
}

TEST_CASE("requests and answers survive the wire, whatever bytes their arguments hold") {
  SupervisorRequest request{.op = SupervisorOp::kStart, .id = "pod/a/b/c", .hold = true};
  request.spec.argv = {"sh", "-c", "echo \"quoted\" \n"};
  request.spec.surroundings.netns = "/run/netns/x";
  const auto back = decode_request(encode(request));
  REQUIRE(back);
  CHECK(back->op == SupervisorOp::kStart);
  CHECK(back->hold);
  CHECK(back->spec.argv == request.spec.argv);
  CHECK(back->spec.surroundings.netns == "/run/netns/x");
  request.spec.argv = {"\xff\xfe"};
  CHECK(decode_request(encode(request)));
}

TEST_CASE("malformed messages are refused, not guessed at") {
  for (const char* text : {"", "{}", "[]", "null", "{\"op\":\"x\"}", "{\"op\":1"})
    CHECK_FALSE(decode_request(text));
  CHECK_FALSE(decode_answer("{\"error\":1}"));
}

TEST_CASE("an HTTP probe reads the status and takes nothing else for one") {
  CHECK(http_status("HTTP/1.1 504 Gateway Timeout\r\n\r\n") == 504);
  CHECK(http_status("HTTP/1.0 200\r\n") == 200);
  for (const char* bad : {"", "HTTP/1.1", "SSH-2.0 200\r\n", "HTTP/1.1 x\r\n"})
    CHECK(http_status(bad) == 0);
}
