// Enrollment on a pretended node: the order of steps, failing closed, taking up, vanishing.
#include "enrollment.hpp"

#include <doctest/doctest.h>

#include "pod_json.hpp"
#include "pretended_node.hpp"

using namespace culvert::agent;
using culvert::agent::testing::PretendedNode;
using culvert::agent::testing::spec_of;

namespace {

struct Fixture {
  PretendedNode node;
  Handover handover;
  Enrollment enrollment{node, handover, "boot"};
  Fixture() { node.namespaces = {{"/n/a", 7}, {"/n/b", 8}, {"/n/host", 1}}; }
};

// A new agent on the same node.
struct Successor {
  explicit Successor(PretendedNode& node) : enrollment(node, handover, "boot") {
    REQUIRE(enrollment.resume(*parse_pods(node.pods_json, "boot")).has_value());
  }
  Handover handover;
  Enrollment enrollment;
};

}  // namespace

TEST_CASE("a pod is written down before it is captured, and captured before ztunnel hears of it") {
  Fixture f;
  bool captured_when_told = false;
  f.handover.on_change([&] { captured_when_told = f.node.in_kernel.contains(7); });
  const auto pod = f.enrollment.enroll(spec_of("u1", "/n/a"));
  REQUIRE(pod.has_value());
  CHECK(pod->netns_cookie == 7);
  CHECK(f.node.steps == std::vector<std::string>{"save", "capture 7"});
  CHECK(captured_when_told);
}

TEST_CASE("enrolling the same pod again changes nothing") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.steps.clear();
  CHECK(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  CHECK(f.node.steps == std::vector<std::string>{"capture 7"});
  CHECK(f.enrollment.list().size() == 1);
}

TEST_CASE("what cannot be written down is not captured") {
  Fixture f;
  f.node.fail_save = true;
  CHECK(f.enrollment.enroll(spec_of("u1", "/n/a")).error().fault == Fault::kNode);
  CHECK(f.node.in_kernel.empty());
  CHECK(f.handover.pods().empty());
}

TEST_CASE(
    "a pod whose capture failed stays in the book, is not handed to ztunnel, and is tried again") {
  Fixture f;
  f.node.fail_capture = true;
  const auto refused = f.enrollment.enroll(spec_of("u1", "/n/a"));
  CHECK(refused.error().problem.next == "run as root");
  CHECK(f.enrollment.list().at(0).state == CaptureState::kFailed);
  CHECK(f.handover.pods().empty());
  CHECK(f.enrollment.unsettled());
  f.node.fail_capture = false;
  f.enrollment.check();
  CHECK(f.enrollment.list().at(0).state == CaptureState::kCaptured);
  CHECK(f.handover.pods().contains("u1"));
  CHECK_FALSE(f.enrollment.unsettled());
}

TEST_CASE("the node's own namespace, a missing one and another pod's are refused") {
  Fixture f;
  CHECK(f.enrollment.enroll(spec_of("u1", "/n/host")).error().fault == Fault::kInvalid);
  CHECK(f.enrollment.enroll(spec_of("u1", "/n/none")).error().fault == Fault::kInvalid);
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  CHECK(f.enrollment.enroll(spec_of("u2", "/n/a")).error().fault == Fault::kConflict);
}

TEST_CASE("a failure of our own is not taken for a namespace that is gone") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.out_of_descriptors = true;
  f.enrollment.check();
  CHECK(f.enrollment.list().at(0).state == CaptureState::kCaptured);
  CHECK(f.enrollment.enroll(spec_of("u2", "/n/b")).error().fault == Fault::kNode);
}

TEST_CASE(
    "a pod whose namespace lost its name leaves ztunnel, and is released only when the kernel "
    "freed it") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.namespaces.erase("/n/a");
  f.enrollment.check();
  CHECK(f.handover.pods().empty());
  CHECK(f.node.in_kernel.contains(7));
  CHECK(f.enrollment.list().at(0).state == CaptureState::kEnding);
  f.node.freed.insert(7);
  f.enrollment.check();
  CHECK(f.node.in_kernel.empty());
  CHECK(f.enrollment.list().empty());
}

TEST_CASE("another namespace at the same path is another pod's") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.namespaces["/n/a"] = 9;
  f.enrollment.check();
  CHECK(f.handover.pods().empty());
  CHECK(f.enrollment.list().at(0).pod.netns_cookie == 7);
}

TEST_CASE("the same uid in a new sandbox replaces the old one, which refuses until it is freed") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/b")).has_value());
  CHECK(f.node.in_kernel == std::set<std::uint64_t>{7, 8});
  CHECK(f.handover.pods().at("u1").netns_cookie == 8);
  CHECK(f.enrollment.list().size() == 2);
}

TEST_CASE("what was taken out of the kernel behind our back is captured again") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.in_kernel.clear();
  f.enrollment.check();
  CHECK(f.node.in_kernel.contains(7));
}

TEST_CASE("removing is written down first, and undone when it cannot be") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  f.node.fail_save = true;
  CHECK_FALSE(f.enrollment.remove("u1").has_value());
  CHECK(f.node.in_kernel.contains(7));
  f.node.fail_save = false;
  CHECK(*f.enrollment.remove("u1"));
  CHECK(f.node.in_kernel.empty());
  CHECK(f.handover.pods().empty());
  CHECK_FALSE(*f.enrollment.remove("u1"));
}

TEST_CASE("a successor takes up the pods that are still there and hands them over as a whole") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  REQUIRE(f.enrollment.enroll(spec_of("u2", "/n/b")).has_value());
  f.node.namespaces.erase("/n/b");
  const Successor next(f.node);
  CHECK(next.handover.complete());
  CHECK(next.handover.pods().size() == 1);
  CHECK(next.handover.pods().contains("u1"));
  CHECK(f.node.in_kernel.contains(8));
  CHECK(next.enrollment.unsettled());
}

TEST_CASE("a captured namespace that no file names refuses until it is enrolled again") {
  Fixture f;
  f.node.in_kernel = {8};
  REQUIRE(f.enrollment.resume({}).has_value());
  CHECK(f.node.in_kernel.contains(8));
  CHECK(f.handover.pods().empty());
  CHECK(f.enrollment.list().at(0).state == CaptureState::kEnding);
  REQUIRE(f.enrollment.enroll(spec_of("u2", "/n/b")).has_value());
  CHECK(f.enrollment.list().size() == 1);
  CHECK(f.handover.pods().contains("u2"));
}

TEST_CASE("mending writes every pod anew and releases what is nobody's, but not what is ending") {
  Fixture f;
  REQUIRE(f.enrollment.enroll(spec_of("u1", "/n/a")).has_value());
  REQUIRE(f.enrollment.enroll(spec_of("u2", "/n/b")).has_value());
  f.node.namespaces.erase("/n/b");
  f.enrollment.check();  // u2 is ending now: captured until its namespace is freed
  f.node.in_kernel.insert(99);
  f.node.steps.clear();
  REQUIRE(f.enrollment.mend().has_value());
  CHECK(f.node.steps == std::vector<std::string>{"excludes", "capture 7", "release 99"});
  CHECK(f.node.in_kernel == std::set<std::uint64_t>{7, 8});
  f.node.fail_capture = true;
  f.node.in_kernel.insert(98);
  CHECK(f.enrollment.mend().error().what == "attach: EPERM");
  CHECK_FALSE(f.node.in_kernel.contains(98));
}

TEST_CASE("a node holds no more than its maximum of pods") {
  Fixture f;
  for (std::size_t i = 0; i < kMaxPods; ++i) {
    const std::string path = "/many/" + std::to_string(i);
    f.node.namespaces[path] = 100 + i;
    REQUIRE(f.enrollment.enroll(spec_of("m" + std::to_string(i), path)).has_value());
  }
  CHECK(f.enrollment.enroll(spec_of("u1", "/n/a")).error().fault == Fault::kFull);
}

TEST_CASE("a map that is nearly full is named until it has room again") {
  Fixture f;
  const auto fill = [&](std::uint32_t entries) {
    f.node.fills = {{"cv_origin", entries, 100}, {"cv_pod", 1, 100}};
    f.enrollment.check_maps();
    return f.enrollment.full_maps();
  };
  CHECK(fill(79).empty());
  CHECK(fill(80) == std::vector<std::string>{"cv_origin"});
  CHECK(fill(71) == std::vector<std::string>{"cv_origin"});  // not said anew at each little change
  CHECK(fill(70).empty());
  CHECK(fill(100) == std::vector<std::string>{"cv_origin"});
}

TEST_CASE("the alarm is news once, when it begins and when it is over") {
  MapAlarm alarm;
  CHECK(alarm.look({{"cv_pod", 90, 100}}).full.size() == 1);
  CHECK(alarm.look({{"cv_pod", 91, 100}}).full.empty());
  const auto over = alarm.look({{"cv_pod", 10, 100}});
  CHECK((over.full.empty() && over.calm.size() == 1));
  CHECK(alarm.look({{"cv_pod", 10, 100}}).calm.empty());
  CHECK(alarm.look({{"empty", 0, 0}}).full.empty());
}
