// Following frames: of stacks that are what they should be, and of those that are anything else.
#include "../../../lib/telemetry/profile_samples.hpp"

#include <doctest/doctest.h>

#include "../../../lib/telemetry/pprof.hpp"
#include "../../../lib/telemetry/symbols.hpp"

using namespace culvert::telemetry;

namespace {

constexpr std::size_t kWords = 64;

/// A stack of words, with frames that the test writes.
struct Stack {
  std::array<std::uintptr_t, kWords> words{};
  std::uintptr_t at(std::size_t index) const {
    return reinterpret_cast<std::uintptr_t>(words.data() + index);
  }
  void frame(std::size_t index, std::uintptr_t caller, std::uintptr_t return_address) {
    words[index] = caller;
    words[index + 1] = return_address;
  }
  std::vector<std::uintptr_t> follow(std::uintptr_t frame_pointer) {
    ProfileSamples samples({{at(0), at(kWords - 1) + sizeof(std::uintptr_t)}});
    samples.take(7, 0x1000, frame_pointer, at(0));
    REQUIRE(samples.size() == 1);
    CHECK(samples[0].thread == 7);
    return {samples[0].frames.begin(), samples[0].frames.begin() + samples[0].depth};
  }
};

}  // namespace

TEST_CASE("frames are followed to the outermost, each call's own address") {
  Stack stack;
  stack.frame(4, stack.at(10), 0x2001);
  stack.frame(10, stack.at(20), 0x3001);
  stack.frame(20, 0, 0x4001);
  CHECK(stack.follow(stack.at(4)) == std::vector<std::uintptr_t>{0x1000, 0x2000, 0x3000, 0x4000});
}

TEST_CASE("a frame pointer that is none ends the stack and is not read") {
  Stack stack;
  stack.frame(10, stack.at(4), 0x2001);  // further down: no caller
  CHECK(stack.follow(stack.at(10)) == std::vector<std::uintptr_t>{0x1000, 0x2000});
  CHECK(stack.follow(0).size() == 1);
  CHECK(stack.follow(~std::uintptr_t{0}).size() == 1);
  CHECK(stack.follow(stack.at(4) + 1).size() == 1);              // not aligned
  CHECK(stack.follow(stack.at(kWords - 1)).size() == 1);         // half a frame is left
  CHECK(stack.follow(stack.at(kWords - 1) + 4096).size() == 1);  // another mapping
  stack.frame(kWords - 2, stack.at(kWords - 1), 0x5001);         // the last whole frame
  CHECK(stack.follow(stack.at(kWords - 2)).size() == 2);
}

TEST_CASE("a stack without end is cut at the depth") {
  std::vector<std::uintptr_t> words(4 * kMaxProfileDepth);
  for (std::size_t i = 0; i + 3 < words.size(); i += 2) {
    words[i] = reinterpret_cast<std::uintptr_t>(&words[i + 2]);
    words[i + 1] = 0x9001;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(words.data());
  ProfileSamples samples({{begin, begin + words.size() * sizeof(std::uintptr_t)}});
  samples.take(1, 0x1000, begin, begin);
  CHECK(samples[0].depth == kMaxProfileDepth);
}

TEST_CASE("samples beyond the buffer are counted and not kept") {
  ProfileSamples samples({});
  for (std::size_t i = 0; i < kMaxProfileSamples + 5; ++i) samples.take(1, 2, 0, 0);
  CHECK(samples.size() == kMaxProfileSamples);
  CHECK(samples.lost() == 5);
}

TEST_CASE("this program's own functions have names, and other files have none") {
  const auto mappings = read_mappings();
  const auto here = reinterpret_cast<std::uintptr_t>(&read_mappings);
  std::string name;
  for (const auto& one : mappings) {
    if (!one.executable || here < one.range.begin || here >= one.range.end) continue;
    const auto symbols = Symbols::read(one.file);
    CHECK(symbols.size() > 100);
    name = symbols.name_at(here - one.range.begin + one.offset);
    CHECK(symbols.name_at(~std::uint64_t{0}).empty());
  }
  CHECK(name == "culvert::telemetry::read_mappings()");
  CHECK(Symbols::read("/proc/self/status").size() == 0);
  CHECK(Symbols::read("/no/such/file").size() == 0);
  CHECK(stack_ranges(mappings).size() > 2);
}
