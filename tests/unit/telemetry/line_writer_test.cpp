#include "culvert/telemetry/line_writer.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "culvert/base/fd.hpp"

using namespace culvert;

TEST_CASE("every line of every thread is written once, each thread's in its order") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  UniqueFd in(fds[0]), out(fds[1]);
  std::string got;
  std::thread reader([&] {
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(in.get(), buffer, sizeof buffer)) > 0;) {
      got.append(buffer, static_cast<std::size_t>(n));
    }
  });
  constexpr int kThreads = telemetry::kLogPlaces + 4, kLines = 500;  // some without a place
  {
    telemetry::LineWriter writer(out.get());
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&writer, t] {
        for (int i = 0; i < kLines; ++i)
          writer.push(std::to_string(t) + " " + std::to_string(i) + "\n");
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(writer.dropped() == 0);
  }
  out.reset();
  reader.join();
  std::vector<int> next(kThreads, 0);
  std::size_t at = 0;
  int lines = 0;
  while (at < got.size()) {
    const auto end = got.find('\n', at);
    const auto line = got.substr(at, end - at);
    const auto thread = static_cast<std::size_t>(std::stoi(line));
    REQUIRE(std::stoi(line.substr(line.find(' '))) == next[thread]++);
    ++lines;
    at = end + 1;
  }
  CHECK(lines == kThreads * kLines);
}
