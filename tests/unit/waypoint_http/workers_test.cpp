// Limits of a cluster over several workers: each has its own pool and quota, one SharedPlaces.
#include <thread>

#include "../exchange/clock.hpp"
#include "pool_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

/// A worker's pool.
struct WorkerPool : PoolPair {
  explicit WorkerPool(const std::shared_ptr<SharedPlaces>& places, std::uint32_t max = 1,
                      std::uint32_t max_pending = 1) {
    quota = std::make_shared<ClusterQuota>(places);
    limits.max_connections = max;
    limits.max_pending_requests = max_pending;
  }
};

/// A request to its end, `times` times; each answer's text or the error's name comes.
Task<> ask(WorkerPool* pool, std::string path, std::vector<std::string>* heard, int times = 1) {
  for (; times > 0; --times) {
    auto opened = co_await pool->open();
    if (!opened) {
      heard->push_back(path + "!" + error_info(opened.error().code).name);
      continue;
    }
    heard->push_back(co_await get(opened->get(), path));
  }
}

Task<Result<std::unique_ptr<ClientExchange>>> open_at(WorkerPool* pool, const Endpoint* at) {
  const Client who;
  co_return co_await pool->pool.open(
      {*at, HttpVersion::kHttp1, false, who, pool->limits, pool->quota}, soon());
}

/// ask(), at an endpoint of its own.
Task<> ask_at(WorkerPool* pool, const Endpoint* at, std::string path,
              std::vector<std::string>* heard) {
  auto opened = co_await open_at(pool, at);
  if (!opened) {
    heard->push_back(path + "!" + error_info(opened.error().code).name);
    co_return;
  }
  heard->push_back(co_await get(opened->get(), path));
}

/// Takes its time.
struct SlowHandler final : Handler {
  Task<> serve(ServerExchange& exchange) override {
    co_await io::sleep_until(io::in(takes));
    http::ResponseHead head;
    head.status = 204;
    exchange.send_head(head, true);
    (void)co_await read_all(&exchange);
  }
  milliseconds takes{15};
};

/// One request more every 10 ms.
Task<> keep_asking(WorkerPool* pool, Scope* asking, std::vector<std::string>* heard, int times) {
  for (; times > 0; --times) {
    asking->spawn(ask, pool, std::string("/"), heard, 1);
    if (!co_await io::sleep_until(io::in(milliseconds(10)))) co_return;
  }
}

}  // namespace

TEST_CASE("an idle connection of another worker makes room, and only as many as are needed") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool one(places, 2), other(places, 2);
    {
      auto first = co_await one.open();
      auto second = co_await one.open();
      CHECK((first.has_value() && second.has_value()));
    }
    CHECK(one.pool.counts().idle == 2);
    std::vector<std::string> heard;
    co_await ask(&other, "/1", &heard);
    co_await ask(&other, "/2", &heard);
    CHECK(heard == std::vector<std::string>{"/1", "/2"});
    CHECK(one.quota->connections() == 1);
    CHECK(other.quota->connections() == 1);
    CHECK(other.dialer.dialled == 1);
    CHECK(places->connections() == 2);
    co_await one.stop();
    co_await other.stop();
    CHECK(places->connections() == 0);
  });
}

TEST_CASE("limits are those of one worker: one connection, one request that waits, no third") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool one(places), other(places);
    auto busy = co_await one.open();
    REQUIRE(busy);
    std::vector<std::string> heard;
    Scope waiting;
    waiting.spawn(ask, &other, std::string("/waits"), &heard, 1);
    co_await settle();
    co_await ask(&one, "/over", &heard);
    co_await ask(&other, "/over", &heard);
    CHECK(heard == std::vector<std::string>{"/over!limit reached", "/over!limit reached"});
    CHECK(places->connections() == 1);
    CHECK(places->pending() == 1);
    CHECK((co_await get(busy->get(), "/busy")) == "/busy");
    busy->reset();
    co_await waiting.join();
    CHECK(heard.back() == "/waits");
    CHECK(one.quota->connections() == 0);
    CHECK(places->pending() == 0);
    co_await one.stop();
    co_await other.stop();
  });
}

TEST_CASE("a worker whose own requests always wait lets another's have their turn") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool greedy(places, 1, 100), other(places, 1, 100);
    std::vector<std::string> of_greedy, of_other;
    Scope asking;
    for (int i = 0; i < 3; ++i) asking.spawn(ask, &greedy, std::string("/"), &of_greedy, 10'000);
    co_await settle();
    co_await ask(&other, "/turn", &of_other, 3);
    CHECK(of_other == std::vector<std::string>{"/turn", "/turn", "/turn"});
    CHECK(of_greedy.size() < 30'000);
    asking.request_stop();
    co_await asking.join();
    co_await greedy.stop();
    co_await other.stop();
    CHECK(places->pending() == 0);
    CHECK(places->connections() == 0);
  });
}

TEST_CASE(
    "who waits has its turn although more and more wait at the worker that has the connection") {
  test::simulate([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool greedy(places, 1, 1000), other(places, 1, 1000);
    SlowHandler slow;
    greedy.dialer.handler = &slow;
    std::vector<std::string> of_greedy, of_other;
    Scope asking;
    asking.spawn(keep_asking, &greedy, &asking, &of_greedy, 150);
    co_await io::sleep_until(io::in(milliseconds(500)));
    const auto began = io::Loop::current().now();
    co_await ask(&other, "/turn", &of_other);
    CHECK(of_other == std::vector<std::string>{"/turn"});
    CHECK(io::Loop::current().now() - began < 2 * kPlaceTurn);
    asking.request_stop();
    co_await asking.join();
    co_await greedy.stop();
    co_await other.stop();
    CHECK(places->pending() == 0);
    CHECK(places->connections() == 0);
  });
}

TEST_CASE("who waits for another worker's place and is stopped leaves it to the next") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool one(places, 1, 10), leaves(places, 1, 10), stays(places, 1, 10);
    auto busy = co_await one.open();
    std::vector<std::string> heard;
    Scope leaving, staying;
    leaving.spawn(ask, &leaves, std::string("/leaves"), &heard, 1);
    co_await settle();
    staying.spawn(ask, &stays, std::string("/stays"), &heard, 1);
    co_await settle();
    busy->reset();           // the place is told to who came first
    leaving.request_stop();  // and it is away before it hears of it
    co_await leaving.join();
    co_await staying.join();
    CHECK(heard == std::vector<std::string>{"/leaves!cancelled", "/stays"});
    co_await one.stop();
    co_await leaves.stop();
    co_await stays.stop();
    CHECK(places->connections() == 0);
  });
}

TEST_CASE("a place that is promised is not taken before by who comes first at its endpoint") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool one(places, 1, 10), other(places, 1, 10);
    auto busy = co_await one.open();
    std::vector<std::string> heard;
    Scope asking;
    asking.spawn(ask, &other, std::string("/waits"), &heard, 1);
    co_await settle();
    busy->reset();  // the place is promised to the other worker
    asking.spawn(ask, &one, std::string("/late"), &heard, 1);
    co_await settle();
    CHECK(places->connections() == 1);
    co_await asking.join();
    CHECK(heard == std::vector<std::string>{"/waits", "/late"});
    co_await one.stop();
    co_await other.stop();
    CHECK(places->connections() == 0);
  });
}

TEST_CASE("a place that only one waiter can use goes to it, however late it came") {
  enum class Where : std::uint8_t { kOneWorker, kApart, kTogether };
  for (const auto where : {Where::kOneWorker, Where::kApart, Where::kTogether}) {
    CAPTURE(static_cast<int>(where));
    test::simulate(
        [](Where who_waits) -> Task<> {
          std::shared_ptr<SharedPlaces> places;
          if (who_waits != Where::kOneWorker) places = std::make_shared<SharedPlaces>();
          WorkerPool one(places, 1, 10), second(places, 1, 10), third(places, 1, 10);
          auto* older = places ? &second : &one;
          auto* younger = who_waits == Where::kApart ? &third : older;
          Endpoint a, b;
          a.address = *SocketAddress::parse("10.0.0.9:80");
          b.address = *SocketAddress::parse("10.0.0.9:81");
          auto at_a = co_await open_at(&one, &a), at_b = co_await open_at(&one, &b);
          REQUIRE((at_a.has_value() && at_b.has_value()));
          std::vector<std::string> heard;
          Scope asking;
          asking.spawn(ask_at, older, &b, std::string("/b"), &heard);
          co_await settle();
          asking.spawn(ask_at, younger, &a, std::string("/a"), &heard);
          co_await settle();
          one.dialer.close_first();
          co_await io::sleep_until(io::in(milliseconds(20)));
          CHECK(heard == std::vector<std::string>{"/a"});
          at_a->reset();
          at_b->reset();
          co_await asking.join();
          CHECK(heard == std::vector<std::string>{"/a", "/b"});
          co_await one.stop();
          co_await second.stop();
          co_await third.stop();
        },
        where);
  }
}

TEST_CASE("over HTTP/2, and to another endpoint, a worker has its first connection all the same") {
  run_loop([]() -> Task<> {
    const auto places = std::make_shared<SharedPlaces>();
    WorkerPool one(places), other(places);
    auto busy = co_await one.open();
    other.endpoint.address.port = 81;
    auto elsewhere = co_await other.open();
    CHECK(elsewhere.has_value());
    other.endpoint.address.port = 80;
    other.dialer.version = HttpVersion::kHttp2;
    auto over_http2 = co_await other.open();
    CHECK(over_http2.has_value());
    CHECK(places->connections() == 3);
    busy->reset();
    elsewhere->reset();
    over_http2->reset();
    co_await one.stop();
    co_await other.stop();
  });
}

TEST_CASE("workers on threads of their own share one connection, and every request is answered") {
  const auto places = std::make_shared<SharedPlaces>();
  constexpr int kRequests = 100;
  std::vector<std::vector<std::string>> heard(3);
  std::vector<std::thread> workers;
  for (auto& mine : heard) {
    workers.emplace_back([&places, &mine] {
      run_loop([&places, &mine]() -> Task<> {
        WorkerPool pool(places, 1, 100);
        Scope asking;
        for (int i = 0; i < 2; ++i) asking.spawn(ask, &pool, std::string("/"), &mine, kRequests);
        co_await asking.join();
        co_await pool.stop();
      });
    });
  }
  for (auto& worker : workers) worker.join();
  for (const auto& mine : heard) CHECK(mine == std::vector<std::string>(2 * kRequests, "/"));
  CHECK(places->connections() == 0);
  CHECK(places->pending() == 0);
}

TEST_CASE("places of many threads are never more than the limit, and none is lost") {
  SharedPlaces places;
  constexpr std::uint32_t kLimit = 3;
  const auto endpoint = *SocketAddress::parse("10.0.0.9:80");
  std::atomic<std::uint32_t> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::atomic<int> told{0};
      auto& part = places.join(
          [&told](PlaceNews news, const auto&) { told += news == PlaceNews::kPromised; });
      for (int n = 0; n < 2000; ++n) {
        if (!places.take_or_wait(part, {&endpoint, kLimit}, io::Clock::now())) {
          places.wait_no_more(part, {});
          for (int left = told.exchange(0); left > 0; --left) places.pass_on(part);
          continue;
        }
        const auto open = places.connections();
        auto seen = most.load();
        while (open > seen && !most.compare_exchange_weak(seen, open)) {
        }
        places.give_back(&endpoint);
        places.heard(part);
      }
      places.leave(part);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(most <= kLimit);
  CHECK(places.connections() == 0);
}
