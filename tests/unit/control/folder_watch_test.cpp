// What the kernel tells of a folder, and what becomes of a change that could not be read.
#include "folder_watch.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "../io/run_loop.hpp"
#include "../temporary_folder.hpp"
#include "culvert/io/event.hpp"

using namespace culvert;
using namespace culvert::control;

TEST_CASE("what waits of the kernel's is taken at once, however much it is") {
  const testing::TemporaryFolder folder;
  FolderWatch watch(folder.path(), [](const FolderChange&) { return true; });
  REQUIRE(watch.start());
  watch.take_waiting();  // nothing
  CHECK(watch.half_written().empty());
  std::ofstream half(folder.path() + "/half.yaml");
  std::ofstream whole(folder.path() + "/whole.yaml");
  half << "kind" << std::flush;
  whole << "kind" << std::flush;
  watch.take_waiting();
  CHECK(watch.half_written() == std::set<std::string>{"half.yaml", "whole.yaml"});
  // More than one read of it.
  for (int i = 0; i < 200; ++i) std::ofstream(folder.path() + "/" + std::to_string(i) + ".yaml");
  whole.close();
  watch.take_waiting();
  CHECK(watch.half_written() == std::set<std::string>{"half.yaml"});
}

TEST_CASE("a change that could not be read is told again, as one of everything") {
  const testing::TemporaryFolder folder;
  io::testing::run_loop([&]() -> io::Task<> {
    std::vector<FolderChange> told;
    io::Event twice;
    FolderWatch watch(folder.path(), [&](const FolderChange& change) {
      told.push_back(change);
      if (told.size() == 2) twice.notify();
      return told.size() == 2;
    });
    REQUIRE(watch.start());
    io::Scope fibers;
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->listen(); }, &watch);
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->run(); }, &watch);
    std::ofstream(folder.path() + "/a.yaml") << "kind";
    (void)co_await twice.wait(io::in(std::chrono::seconds(30)));
    fibers.request_stop();
    co_await fibers.join();
    CHECK(told.size() == 2);
    if (told.size() < 2) co_return;
    CHECK(told[0].names == std::set<std::string>{"a.yaml"});
    CHECK_FALSE(told[0].all);
    CHECK(told[1].all);
  });
}

TEST_CASE("what was taken for somebody else wakes the fiber that acts on it") {
  const testing::TemporaryFolder folder;
  io::testing::run_loop([&]() -> io::Task<> {
    io::Event told;
    bool whole = false;
    FolderWatch watch(folder.path(), [&](const FolderChange& change) {
      whole = change.names.contains("a.yaml");
      told.notify();
      return true;
    });
    REQUIRE(watch.start());
    io::Scope fibers;
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->run(); }, &watch);
    co_await io::sleep_until(io::in(std::chrono::milliseconds(1)));
    std::ofstream(folder.path() + "/a.yaml") << "kind";
    watch.take_waiting();
    (void)co_await told.wait(io::in(std::chrono::seconds(30)));
    fibers.request_stop();
    co_await fibers.join();
    CHECK(whole);
  });
}

TEST_CASE("a file that may be read from now on is looked at, one that somebody writes is not") {
  const testing::TemporaryFolder folder;
  namespace fs = std::filesystem;
  const fs::path path = folder.path();
  std::ofstream(path / "a.yaml") << "kind";
  fs::permissions(path / "a.yaml", fs::perms::none);
  io::testing::run_loop([&]() -> io::Task<> {
    io::Event told;
    std::vector<FolderChange> changes;
    FolderWatch watch(folder.path(), [&](const FolderChange& change) {
      changes.push_back(change);
      told.notify();
      return true;
    });
    REQUIRE(watch.start());
    io::Scope fibers;
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->listen(); }, &watch);
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->run(); }, &watch);
    std::ofstream half(path / "half.yaml");
    half << "kind" << std::flush;
    fs::permissions(path / "half.yaml", fs::perms::owner_read);
    fs::permissions(path / "a.yaml", fs::perms::owner_read);
    (void)co_await told.wait(io::in(std::chrono::seconds(30)));
    CHECK(watch.half_written() == std::set<std::string>{"half.yaml"});
    fibers.request_stop();
    co_await fibers.join();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].names == std::set<std::string>{"a.yaml"});
    CHECK_FALSE(changes[0].all);
  });
}

TEST_CASE("a link that files may lead through is a change of everything, however it is put there") {
  const testing::TemporaryFolder folder;
  io::testing::run_loop([&]() -> io::Task<> {
    int changes = 0;
    io::Event changed;
    FolderWatch watch(folder.path(), [&](const FolderChange& change) {
      changes += change.all ? 1 : 100;
      changed.notify();
      return true;
    });
    REQUIRE(watch.start());
    io::Scope fibers;
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->listen(); }, &watch);
    fibers.spawn([](FolderWatch* one) -> io::Task<> { co_await one->run(); }, &watch);
    namespace fs = std::filesystem;
    const fs::path path = folder.path();
    fs::create_symlink("one", path / "current");
    (void)co_await changed.wait(io::in(std::chrono::seconds(30)));
    CHECK(changes == 1);
    fs::create_directory(path / "..2");
    (void)co_await changed.wait(io::in(std::chrono::seconds(30)));
    CHECK(changes == 2);
    fs::rename(path / "current", path / "next");
    (void)co_await changed.wait(io::in(std::chrono::seconds(30)));
    CHECK(changes == 3);
    // Nobody's: files that are no objects.
    std::ofstream(path / "notes.txt") << "x";
    fs::create_directory(path / "more");
    const auto more = co_await changed.wait(io::in(std::chrono::milliseconds(200)));
    CHECK_FALSE(more.has_value());
    fibers.request_stop();
    co_await fibers.join();
  });
}
