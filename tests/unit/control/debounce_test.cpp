// When events of the folder are acted on, and on which files.
#include <doctest/doctest.h>

#include "folder_watch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

const io::Deadline kStart{1h};
using Names = std::set<std::string>;

/// A folder that nothing happened in for a long time after something was acted on.
Debounce acted_before() {
  Debounce debounce;
  debounce.written("a.yaml", kStart - 1min);
  debounce.take(kStart - 1min);
  return debounce;
}

}  // namespace

TEST_CASE("nothing is due without an event, and after it was acted on") {
  Debounce debounce;
  CHECK(debounce.due() == io::kNoDeadline);
  debounce.written("a.yaml", kStart);
  CHECK(debounce.take(kStart).names == Names{"a.yaml"});
  CHECK(debounce.due() == io::kNoDeadline);
  CHECK(debounce.take(kStart).names.empty());
}

TEST_CASE("one file after quiet is acted on within kSettle") {
  auto debounce = acted_before();
  debounce.written("a.yaml", kStart);
  CHECK(debounce.due() == kStart + kSettle);
}

TEST_CASE("several files are acted on together, when things are quiet") {
  auto debounce = acted_before();
  debounce.written("a.yaml", kStart);
  debounce.written("b.yaml", kStart + 1ms);
  CHECK(debounce.due() == kStart + 1ms + kQuiet);
  debounce.written("b.yaml", kStart + 40ms);
  CHECK(debounce.due() == kStart + 40ms + kQuiet);
  CHECK(debounce.take(kStart + 90ms).names == Names{"a.yaml", "b.yaml"});
}

TEST_CASE("what soon follows a change waits until things are quiet") {
  auto debounce = acted_before();
  debounce.written("a.yaml", kStart);
  debounce.take(kStart + kSettle);
  debounce.written("b.yaml", kStart + 10ms);
  CHECK(debounce.due() == kStart + 10ms + kQuiet);
  debounce.take(kStart + 10ms + kQuiet);
  debounce.written("b.yaml", kStart + 10ms + kQuiet + kQuiet);
  CHECK(debounce.due() == kStart + 10ms + kQuiet + kQuiet + kSettle);
}

TEST_CASE("a folder that is never quiet is read all the same") {
  auto debounce = acted_before();
  for (auto at = kStart; at < kStart + 2s; at += 10ms) debounce.written("a.yaml", at);
  CHECK(debounce.due() <= kStart + kMaxDelay + 2s);
  auto busy = acted_before();
  for (auto at = kStart; at < kStart + 2s; at += 10ms) {
    busy.written(at.time_since_epoch() % 20ms == 0ms ? "a.yaml" : "b.yaml", at);
  }
  CHECK(busy.due() == kStart + kMaxDelay);
}

TEST_CASE("a file that an editor moves away and writes anew is never missing") {
  auto debounce = acted_before();
  debounce.gone("a.yaml", kStart);
  CHECK(debounce.due() == kStart + kQuiet);
  debounce.writing("a.yaml", kStart + 1ms);
  // Slow: what was moved away is not acted on as long as it is written.
  CHECK(debounce.half_written(kStart + 1s) == Names{"a.yaml"});
  CHECK(debounce.take(kStart + 1ms + kQuiet).names.empty());
  debounce.written("a.yaml", kStart + 1s);
  CHECK(debounce.half_written(kStart + 1s).empty());
  CHECK(debounce.due() == kStart + 1s + kSettle);
  CHECK(debounce.take(kStart + 1s + kSettle).names == Names{"a.yaml"});
}

TEST_CASE("a file that is gone is acted on when things are quiet") {
  auto debounce = acted_before();
  debounce.gone("a.yaml", kStart);
  CHECK(debounce.due() == kStart + kQuiet);
  CHECK(debounce.take(kStart + kQuiet).names == Names{"a.yaml"});
}

TEST_CASE("a file that nobody closes is read as it is after kHalfWritten") {
  auto debounce = acted_before();
  debounce.writing("a.yaml", kStart);
  debounce.writing("a.yaml", kStart + 1s);
  CHECK(debounce.due() == kStart + kHalfWritten);
  CHECK(debounce.half_written(kStart + kHalfWritten).empty());
  CHECK(debounce.take(kStart + kHalfWritten).names == Names{"a.yaml"});
  CHECK(debounce.due() == io::kNoDeadline);
}

TEST_CASE("when the kernel lost count, everything is read") {
  auto debounce = acted_before();
  debounce.writing("a.yaml", kStart);
  debounce.lost(kStart);
  CHECK(debounce.due() == kStart + kQuiet);
  CHECK(debounce.half_written(kStart).empty());
  CHECK(debounce.take(kStart + kQuiet).all);
}

TEST_CASE("a change that could not be read is everything's, kReadAgain later, or with what comes") {
  auto debounce = acted_before();
  debounce.written("a.yaml", kStart);
  debounce.take(kStart + kSettle);
  debounce.failed(kStart + kSettle);
  CHECK(debounce.due() == kStart + kSettle + kReadAgain);
  CHECK(debounce.take(kStart + kSettle + kReadAgain).all);
  CHECK(debounce.due() == io::kNoDeadline);
  debounce.failed(kStart + 1min);
  debounce.written("b.yaml", kStart + 1min + 100ms);
  CHECK(debounce.due() == kStart + 1min + 100ms + kQuiet);
  CHECK(debounce.take(kStart + 1min + 100ms + kQuiet).all);
  CHECK(debounce.due() == io::kNoDeadline);
}

TEST_CASE("a file is not alone while another is half written") {
  auto debounce = acted_before();
  debounce.writing("b.yaml", kStart);
  debounce.written("a.yaml", kStart);
  CHECK(debounce.due() == kStart + kQuiet);
}

TEST_CASE("a link that leads elsewhere makes no half-written file whole") {
  auto debounce = acted_before();
  debounce.writing("a.yaml", kStart);
  debounce.everything(kStart);
  CHECK(debounce.take(kStart + kQuiet).all);
  CHECK(debounce.half_written(kStart + kQuiet) == Names{"a.yaml"});
  CHECK(debounce.due() == kStart + kHalfWritten);
}

TEST_CASE("a half-written file's end of patience takes along only what is due") {
  auto debounce = acted_before();
  debounce.writing("a.yaml", kStart);
  debounce.gone("b.yaml", kStart + kHalfWritten - 1ms);
  CHECK(debounce.due() == kStart + kHalfWritten);
  CHECK(debounce.take(kStart + kHalfWritten).names == Names{"a.yaml"});
  CHECK(debounce.due() == kStart + kHalfWritten - 1ms + kQuiet);
  CHECK(debounce.take(kStart + kHalfWritten - 1ms + kQuiet).names == Names{"b.yaml"});
  debounce.writing("a.yaml", kStart + 1min);
  debounce.gone("b.yaml", kStart + 1min);
  CHECK(debounce.take(kStart + 1min + kHalfWritten).names == Names{"a.yaml", "b.yaml"});
  CHECK(debounce.due() == io::kNoDeadline);
}
