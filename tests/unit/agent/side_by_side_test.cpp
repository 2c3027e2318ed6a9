// Enrollment by several threads at once: pods beside one another, one pod's requests in their
// order.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "enrollment.hpp"
#include "pod_json.hpp"
#include "pretended_node.hpp"

using namespace culvert::agent;
using culvert::agent::testing::PretendedNode;
using culvert::agent::testing::spec_of;

namespace {

constexpr std::chrono::seconds kPatience{20};  // of a test that is about to fail

// Threads that meet: each waits until `count` are there.
class Meeting {
 public:
  explicit Meeting(unsigned count) : count_(count) {}
  void come() {
    std::unique_lock lock(mutex_);
    ++here_;
    changed_.notify_all();
    met_ = changed_.wait_for(lock, kPatience, [this] { return here_ >= count_; });
  }
  bool met() {
    const std::lock_guard lock(mutex_);
    return met_;
  }

 private:
  const unsigned count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned here_ = 0;
  bool met_ = false;
};

struct Fixture {
  PretendedNode node;
  Handover handover;
  Enrollment enrollment{node, handover, "boot"};
  Fixture() { node.namespaces = {{"/n/a", 7}, {"/n/b", 8}, {"/n/c", 9}, {"/n/host", 1}}; }
};

}  // namespace

TEST_CASE("pods are captured side by side, and each is written down before it is captured") {
  Fixture f;
  Meeting together(3);
  f.node.during_capture = [&](std::uint64_t) { together.come(); };
  std::vector<std::thread> callers;
  for (const char* name : {"a", "b", "c"})
    callers.emplace_back([&f, name] {
      CHECK(f.enrollment.enroll(spec_of(name, std::string("/n/") + name)).has_value());
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(together.met());
  CHECK(f.node.in_kernel == std::set<std::uint64_t>{7, 8, 9});
  CHECK(parse_pods(f.node.pods_json, "boot")->size() == 3);
  CHECK(f.node.steps.front() == "save");
  CHECK(f.handover.pods().size() == 3);
}

TEST_CASE("a pod that is removed while it is captured is captured first and then released") {
  Fixture f;
  Meeting in_capture(2), go_on(2);
  f.node.during_capture = [&](std::uint64_t) {
    in_capture.come();
    go_on.come();
  };
  std::thread enrolling([&] { CHECK(f.enrollment.enroll(spec_of("a", "/n/a")).has_value()); });
  in_capture.come();
  std::thread removing([&] { CHECK(f.enrollment.remove("a") == true); });
  CHECK(f.enrollment.list().size() >= 1);  // the book can be read meanwhile
  go_on.come();
  for (std::thread* thread : {&enrolling, &removing}) thread->join();
  CHECK(f.node.in_kernel.empty());
  const auto at = [&](const char* step) { return std::ranges::find(f.node.steps, step); };
  CHECK(at("capture 7") < at("release 7"));
  CHECK_FALSE(f.handover.pods().contains("a"));
}

TEST_CASE("what somebody is at work on is left alone by the regular check") {
  Fixture f;
  Meeting in_capture(2), go_on(2);
  f.node.during_capture = [&](std::uint64_t cookie) {
    if (cookie != 7) return;
    in_capture.come();
    go_on.come();
  };
  std::thread enrolling([&] { CHECK(f.enrollment.enroll(spec_of("a", "/n/a")).has_value()); });
  in_capture.come();
  f.enrollment.check();  // would wait for ever, or capture it a second time
  go_on.come();
  enrolling.join();
  CHECK(std::ranges::count(f.node.steps, "capture 7") == 1);
}

TEST_CASE("a successor captures the pods that it knows side by side") {
  Fixture f;
  for (const char* name : {"a", "b", "c"})
    REQUIRE(f.enrollment.enroll(spec_of(name, std::string("/n/") + name)).has_value());
  Meeting together(3);
  f.node.during_capture = [&](std::uint64_t) { together.come(); };
  Handover handover;
  Enrollment successor(f.node, handover, "boot");
  REQUIRE(successor.resume(*parse_pods(f.node.pods_json, "boot")).has_value());
  CHECK(together.met());
  CHECK(handover.pods().size() == 3);
}

TEST_CASE("what could not be written down is written before it is captured by the next request") {
  Fixture f;
  f.node.fail_save = true;
  CHECK_FALSE(f.enrollment.enroll(spec_of("a", "/n/a")).has_value());
  f.node.fail_save = false;
  f.node.steps.clear();
  CHECK(f.enrollment.enroll(spec_of("a", "/n/a")).has_value());
  CHECK(f.node.steps == std::vector<std::string>{"save", "capture 7"});
}
