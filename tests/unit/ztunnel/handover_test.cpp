// The words of a handover, and the successor's side against a predecessor that is played here.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "../io/run_loop.hpp"
#include "../temporary_folder.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/handover/takeover.hpp"
#include "ztunnel/handover/words.hpp"

using namespace culvert;
using namespace culvert::ztunnel;
using culvert::io::Task;
using culvert::io::testing::run_loop;
using namespace std::chrono_literals;

namespace {

// A predecessor: answers each connection with the next of `answers`; keeps the one that got "yes".
struct Predecessor {
  UniqueFd listener, kept;
  std::vector<std::string> answers, heard;

  Predecessor(const std::string& folder, std::vector<std::string> script)
      : listener(std::move(*listen_unix(handover::serving_socket(folder), SOCK_SEQPACKET, 4))),
        answers(std::move(script)) {}

  static Task<> play(Predecessor* self) {
    for (const auto& answer : self->answers) {
      auto accepted = co_await io::accept(self->listener.get(), io::in(5s));
      REQUIRE(accepted.has_value());
      const auto asked = co_await handover::hear(accepted->fd.get(), io::in(5s));
      REQUIRE(asked.has_value());
      self->heard.push_back(*asked);
      if (!answer.empty()) (void)co_await handover::say(accepted->fd.get(), answer);
      if (answer == handover::kYes) self->kept = std::move(accepted->fd);
    }
  }
};

Task<> hear_all(Takeover* takeover) {
  co_await takeover->run();
}

}  // namespace

TEST_CASE("a pod's words come back as they were said, and anything else is none") {
  const handover::PodId pod{"cluster//v1/pod/7", 18446744073709551615U};
  const auto text = handover::pod_words(handover::kKeep, pod);
  CHECK(text == "keep cluster//v1/pod/7 18446744073709551615");
  CHECK(handover::parse_pod_words(handover::kKeep, text) == pod);
  CHECK_FALSE(handover::parse_pod_words(handover::kRemove, text));
  for (const char* bad : {"", "keep", "keep ", "keep uid", "keep uid ", "keep  7", "keep uid x",
                          "keep uid 7 ", "keep uid 18446744073709551616", "keep uid -1", "kept"}) {
    CHECK_FALSE(handover::parse_pod_words(handover::kKeep, bad));
  }
}

TEST_CASE("without a predecessor, or with a dead one's socket, there is nothing to take over") {
  run_loop([]() -> Task<> {
    const culvert::testing::TemporaryFolder folder;
    auto none = co_await Takeover::find(folder.path());
    REQUIRE(none.has_value());
    CHECK(*none == nullptr);
    {
      const Predecessor dead(folder.path(), {});
    }
    none = co_await Takeover::find(folder.path());
    REQUIRE(none.has_value());
    CHECK(*none == nullptr);
  });
}

TEST_CASE("a busy predecessor is asked again, and so is one that leaves without a word") {
  run_loop([]() -> Task<> {
    const culvert::testing::TemporaryFolder folder;
    Predecessor predecessor(folder.path(), {"no it hands over to another", "", "yes"});
    io::Scope scope;
    scope.spawn(Predecessor::play, &predecessor);
    const auto found = co_await Takeover::find(folder.path());
    REQUIRE(found.has_value());
    REQUIRE(*found != nullptr);
    CHECK(predecessor.heard == std::vector<std::string>(3, "takeover 1"));
    co_await scope.join();
  });
}

TEST_CASE("a successor hears that the ports are free, and that the predecessor is gone") {
  run_loop([]() -> Task<> {
    const culvert::testing::TemporaryFolder folder;
    Predecessor predecessor(folder.path(), {"yes"});
    io::Scope scope;
    scope.spawn(Predecessor::play, &predecessor);
    const auto found = co_await Takeover::find(folder.path());
    REQUIRE(found.has_value());
    Takeover& takeover = **found;
    scope.spawn(hear_all, &takeover);
    co_await takeover.ask_to_stop();
    CHECK(*co_await handover::hear(predecessor.kept.get(), io::in(5s)) == "stop");
    CHECK_FALSE(takeover.stopped());
    (void)co_await handover::say(predecessor.kept.get(), "stopped");
    while (!takeover.stopped()) co_await takeover.wait(5s);
    co_await takeover.done();
    CHECK(*co_await handover::hear(predecessor.kept.get(), io::in(5s)) == "done");
    CHECK_FALSE(takeover.lost());
    predecessor.kept.reset();
    while (!takeover.lost()) co_await takeover.wait(5s);
    co_await takeover.ask_to_stop();  // nobody is there to ask
    co_await scope.join();
  });
}
