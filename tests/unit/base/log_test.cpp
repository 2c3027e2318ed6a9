#include "culvert/base/log.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <regex>
#include <string>
#include <thread>

using namespace culvert;

namespace {

std::string utc(std::time_t seconds) {
  std::string out(sizeof "2026-01-02T03:04:05", '\0');
  tm parts{};
  gmtime_r(&seconds, &parts);
  out.resize(std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%S", &parts));
  return out;
}

std::time_t this_second() {
  return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

}  // namespace

TEST_CASE("a line has the time in UTC, its level and the component") {
  const std::string line = log::format_line(log::Level::kWarn, "a text");
  const std::regex shape(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warn culvert: a text\n)");
  CHECK(std::regex_match(line, shape));
}

TEST_CASE("the time of a line is its own, also in another second than the line before") {
  for (int i = 0; i < 2; ++i) {
    const std::time_t before = this_second();
    const std::string line = log::format_line(log::Level::kInfo, "x");
    const std::time_t after = this_second();
    const std::string stamp = line.substr(0, line.find('.'));
    CHECK(stamp >= utc(before));
    CHECK(stamp <= utc(after));
    std::this_thread::sleep_until(std::chrono::system_clock::from_time_t(after + 1));
  }
}

TEST_CASE("control characters cannot forge a line") {
  const std::string line = log::format_line(log::Level::kInfo, "one\ntwo\x7f\x01 three\t");
  CHECK(line.ends_with(": one\\x0atwo\\x7f\\x01 three\\x09\n"));
  CHECK(line.find('\n') == line.size() - 1);
}
