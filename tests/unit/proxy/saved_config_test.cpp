#include "culvert/proxy/saved_config.hpp"

#include <doctest/doctest.h>

#include "../io/run_loop.hpp"
#include "../temporary_folder.hpp"
#include "culvert/base/fd.hpp"
#include "culvert/base/state_file.hpp"
#include "culvert/proxy/mesh_feed.hpp"
#include "culvert/xds/resources.hpp"

using namespace culvert;
using namespace culvert::proxy;
using culvert::io::testing::run_loop;
using culvert::testing::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

const std::string kType(xds::kAddressType);

/// Rejects what is called "bad".
struct Picky final : xds::ResourceSink {
  std::vector<std::string> names;
  std::vector<xds::Rejected> apply(std::string_view, std::vector<xds::AddedResource> added,
                                   std::vector<std::string>) override {
    std::vector<xds::Rejected> out;
    for (const auto& one : added) {
      names.push_back(one.name);
      if (one.name == "bad") out.push_back({"bad", "no"});
    }
    return out;
  }
};

// Runs until `path` holds what is to be saved.
io::Task<> until_saved(const std::string& path, const std::string& content) {
  const auto end = io::in(10s);
  while (read_state_file(path, "CVXDSCFG", 1, 1 << 20) != content) {
    REQUIRE(io::Clock::now() < end);
    (void)co_await io::sleep_until(io::in(10ms));
  }
}

io::Task<> run(SavedConfig* saved) {
  co_await saved->run();
}

}  // namespace

TEST_CASE("what was accepted is found by the next run, with its versions") {
  run_loop([]() -> io::Task<> {
    const TemporaryFolder folder;
    Picky sink;
    {
      SavedConfig saved(sink, folder.path());
      CHECK(saved.load().empty());
      io::Scope fibers;
      fibers.spawn(run, &saved);
      (void)saved.apply(kType, {{"a", "1", "A"}, {"bad", "1", "B"}, {"gone", "1", "G"}}, {});
      (void)saved.apply(kType, {{"a", "2", "AA"}, {"bad", "2", "B"}}, {"gone"});
      co_await until_saved(folder.path() + "/config.bin",
                           encode_resources({{kType, {{"a", {"2", "AA"}}}}}));
      fibers.request_stop();
      co_await fibers.join();
    }
    SavedConfig next(sink, folder.path());
    const auto found = next.load();
    REQUIRE(found.size() == 1);
    CHECK(found[0].type_url == kType);
    REQUIRE(found[0].resources.size() == 1);
    CHECK(found[0].resources[0].name == "a");
    CHECK(found[0].resources[0].version == "2");
    CHECK(found[0].resources[0].bytes == "AA");
  });
}

TEST_CASE("changes that come in a row are few writes, and the last is not lost at the stop") {
  run_loop([]() -> io::Task<> {
    const TemporaryFolder folder;
    Picky sink;
    SavedConfig saved(sink, folder.path());
    io::Scope fibers;
    fibers.spawn(run, &saved);
    (void)saved.apply(kType, {{"a", "1", "A"}}, {});
    const auto begin = io::Clock::now();
    const auto first = encode_resources({{kType, {{"a", {"1", "A"}}}}});
    co_await until_saved(folder.path() + "/config.bin", first);
    for (int i = 2; i < 10; ++i) (void)saved.apply(kType, {{"a", std::to_string(i), "A"}}, {});
    (void)co_await io::sleep_until(io::in(50ms));
    const auto now = read_state_file(folder.path() + "/config.bin", "CVXDSCFG", 1, 1 << 20);
    if (io::Clock::now() - begin < kSaveInterval) CHECK(now == first);
    fibers.request_stop();
    co_await fibers.join();
    CHECK(read_state_file(folder.path() + "/config.bin", "CVXDSCFG", 1, 1 << 20) ==
          encode_resources({{kType, {{"a", {"9", "A"}}}}}));
  });
}

TEST_CASE("a file that is damaged, foreign or no configuration is ignored") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/config.bin";
  Picky sink;
  SavedConfig saved(sink, folder.path());
  const std::string good = encode_resources({{kType, {{"a", {"1", "A"}}}}});
  for (const std::string& content :
       {good.substr(0, good.size() - 1), good + good, good + "x", std::string("junk")}) {
    REQUIRE(write_state_file(path, "CVXDSCFG", 1, content));
    CHECK(saved.load().empty());
    CHECK_FALSE(decode_resources(content));
  }
  REQUIRE(write_state_file(path, "CVXDSCFG", 2, good));
  CHECK(saved.load().empty());
  REQUIRE(write_file_atomic(path, "not a state file", 0600));
  CHECK(saved.load().empty());
  REQUIRE(write_state_file(path, "CVXDSCFG", 1, good));
  CHECK(saved.load().size() == 1);
}

TEST_CASE("hostile content at any place is an error or resources, never more") {
  const std::string good = encode_resources({{kType, {{"a", {"1", "A"}}, {"b", {"2", "BB"}}}}});
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned char value : {0x00, 0x7f, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      (void)decode_resources(bad);
    }
    (void)decode_resources(good.substr(0, at));
  }
}

TEST_CASE("without a state folder nothing is kept") {
  Picky sink;
  SavedConfig saved(sink, "");
  (void)saved.apply(kType, {{"a", "1", "A"}}, {});
  CHECK(sink.names == std::vector<std::string>{"a"});
  CHECK(saved.load().empty());
}

TEST_CASE(
    "a restored resource is asked for only if it differs, and one that is refused again is asked "
    "for") {
  Picky sink;
  xds::Subscriber subscriber({}, {kType}, sink);
  xds::DeltaResponse saved;
  saved.type_url = kType;
  saved.resources = {
      {"a", "1", kType, "A"}, {"bad", "1", kType, "B"}, {"odd", "1", "another type", "O"}};
  subscriber.restore(std::move(saved));
  CHECK_FALSE(subscriber.ready());
  const auto requests = subscriber.start_stream();
  CHECK(requests.at(0).initial_versions == std::map<std::string, std::string>{{"a", "1"}});
}

TEST_CASE("no snapshot is published before the feed is open") {
  int published = 0;
  MeshFeed feed("cluster.local", [&](const auto&) { ++published; });
  (void)feed.apply(kType, {}, {"gone"});
  CHECK(published == 0);
  feed.open();
  CHECK(published == 1);
  feed.open();
  CHECK(published == 1);
  (void)feed.apply(kType, {}, {"gone"});
  CHECK(published == 2);
}
