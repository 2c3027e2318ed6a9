// The words of a handover, and the successor's side against a predecessor that is played here.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "../io/run_loop.hpp"
#include "../temporary_folder.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/socket.hpp"
#include "ztunnel/handover/counts.hpp"
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
      auto accepted = co_await io::accept(self->listener.get(), io::in(30s));
      REQUIRE(accepted.has_value());
      const auto asked = co_await handover::hear(accepted->fd.get(), io::in(30s));
      REQUIRE(asked.has_value());
      self->heard.push_back(*asked);
      if (!answer.empty()) (void)co_await handover::say(accepted->fd.get(), answer);
      if (answer == handover::kYes) self->kept = std::move(accepted->fd);
    }
  }
};

Task<> hear_all(Takeover* takeover, CountsTaker* counts) {
  co_await takeover->run(*counts);
}

const std::string kLabels = R"(reporter="source",source_workload="web")";

// What a metrics page would say.
std::string page(const telemetry::TrafficMetrics& metrics) {
  telemetry::PrometheusText text;
  metrics.render(text);
  return text.take();
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

TEST_CASE("a label set's words come back as they were said, and anything else is none") {
  telemetry::CountedSeries series{std::make_shared<const std::string>(kLabels), {}};
  series.counts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18446744073709551615U};
  const auto text = handover::series_words(series);
  const auto back = handover::parse_series(text);
  REQUIRE(back.has_value());
  CHECK(*back->labels == kLabels);
  CHECK(back->counts == series.counts);
  for (const char* bad :
       {"", "series", "series ", "series 1 2 3", "series 1 2 3 4 5 6 7 8 9 10 x {}",
        "series 1 2 3 4 5 6 7 8 9 10 18446744073709551616 a", "serie 1 2 3 4 5 6 7 8 9 10 11 a",
        "series -1 2 3 4 5 6 7 8 9 10 11 a", "series 1 2 3 4 5 6 7 8 9 10 11 a\nb"}) {
    CHECK_FALSE(handover::parse_series(bad));
  }
}

TEST_CASE("an answer that breaks off counts nothing, and one that is whole counts once") {
  telemetry::TrafficMetrics metrics(1);
  proxy::TrustCounters trust;
  const std::string series = "series 1 0 5 0 0 0 0 0 0 0 0 " + kLabels;
  const auto opened = [&](int count) {
    return page(metrics).find(fmt::format("opened_total{{{}}} {}\n", kLabels, count)) !=
           std::string::npos;
  };
  {
    CountsTaker broken(metrics, trust);
    CHECK(broken.take(series) == CountsTaker::Took::kPart);
    CHECK(broken.take("trust 1 1 1 1") == CountsTaker::Took::kPart);
    CHECK(broken.take("counted 1 2") == CountsTaker::Took::kNothing);
  }
  CHECK_FALSE(opened(1));
  CHECK(trust.now() == proxy::TrustCounts{});
  CountsTaker whole(metrics, trust);
  for (int round = 1; round <= 2; ++round) {
    CHECK(whole.take(series) == CountsTaker::Took::kPart);
    CHECK(whole.take("counted 0 0 0") == CountsTaker::Took::kAll);
    CHECK(opened(round));
  }
  CHECK(whole.take("counted 0 0 0") == CountsTaker::Took::kAll);  // nothing new
  CHECK(opened(2));
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
    telemetry::TrafficMetrics metrics(1);
    proxy::TrustCounters trust;
    CountsTaker counts(metrics, trust);
    scope.spawn(hear_all, &takeover, &counts);
    co_await takeover.ask_to_stop();
    CHECK(*co_await handover::hear(predecessor.kept.get(), io::in(30s)) == "counts?");
    CHECK(*co_await handover::hear(predecessor.kept.get(), io::in(30s)) == "stop");
    CHECK_FALSE(takeover.stopped());
    for (const auto& words : {"series 7 1 30 2 0 0 0 0 0 0 0 " + kLabels,
                              std::string("trust 1 2 3 4"), std::string("counted 2 1 3")}) {
      (void)co_await handover::say(predecessor.kept.get(), words);
    }
    (void)co_await handover::say(predecessor.kept.get(), "stopped");
    while (!takeover.stopped()) co_await takeover.wait(5s);
    CHECK(page(metrics).find("istio_tcp_connections_opened_total{" + kLabels + "} 7\n") !=
          std::string::npos);
    CHECK(trust.now() == proxy::TrustCounts{1, 2, 3, 4});
    CHECK(counts.open().connections == 3);
    co_await takeover.done();
    CHECK(*co_await handover::hear(predecessor.kept.get(), io::in(30s)) == "done");
    CHECK_FALSE(takeover.lost());
    predecessor.kept.reset();
    while (!takeover.lost()) co_await takeover.wait(5s);
    co_await takeover.ask_to_stop();  // nobody is there to ask
    co_await scope.join();
  });
}
