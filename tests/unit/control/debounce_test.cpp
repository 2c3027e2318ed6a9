// When a burst of file events is acted on.
#include <doctest/doctest.h>

#include "folder_watch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {
const io::Deadline kStart{1h};
}

TEST_CASE("nothing is due without an event, and after it was acted on") {
  Debounce debounce;
  CHECK(debounce.due() == io::kNoDeadline);
  debounce.event(kStart);
  debounce.acted();
  CHECK(debounce.due() == io::kNoDeadline);
}

TEST_CASE("each event puts it off until things are quiet") {
  Debounce debounce;
  debounce.event(kStart);
  CHECK(debounce.due() == kStart + kQuiet);
  debounce.event(kStart + 40ms);
  CHECK(debounce.due() == kStart + 40ms + kQuiet);
}

TEST_CASE("a folder that is never quiet is read all the same") {
  Debounce debounce;
  for (auto at = kStart; at < kStart + 2s; at += 10ms) debounce.event(at);
  CHECK(debounce.due() == kStart + kMaxDelay);
}
