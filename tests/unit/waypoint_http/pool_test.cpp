#include "pool_pair.hpp"

using namespace culvert;
using namespace culvert::waypoint;
using namespace culvert::waypoint::testing;

namespace {

/// A request to its end; its path goes, the answer's text or the error's name comes.
Task<> ask(PoolPair* pair, std::string path, std::vector<std::string>* heard,
           std::string client = "a") {
  auto opened = co_await pair->open(client);
  if (!opened) {
    heard->push_back(path + "!" + error_info(opened.error().code).name);
    co_return;
  }
  heard->push_back(co_await get(opened->get(), path));
}

}  // namespace

TEST_CASE("a connection is used again, for the same client only") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    std::vector<std::string> heard;
    co_await ask(&pair, "/1", &heard);
    co_await ask(&pair, "/2", &heard);
    CHECK(pair.dialer.dialled == 1);
    co_await ask(&pair, "/3", &heard, "b");
    CHECK(pair.dialer.dialled == 2);
    co_await ask(&pair, "/4", &heard, "a");
    CHECK(pair.dialer.dialled == 2);
    CHECK(heard == std::vector<std::string>{"/1", "/2", "/3", "/4"});
    CHECK(pair.pool.counts().reused == 2);
    CHECK(pair.pool.counts().idle == 2);
    CHECK(pair.quota->connections() == 2);
    co_await pair.stop();
    CHECK(pair.quota->connections() == 0);
  });
}

TEST_CASE("clusters that share an endpoint have connections, and bounds, of their own") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    std::vector<std::string> heard;
    auto first = co_await pair.open();
    auto second = co_await pair.open();
    first->reset();
    second->reset();
    const auto of_others = std::exchange(pair.quota, std::make_shared<ClusterQuota>());
    pair.limits.max_connections = 1;
    auto own = co_await pair.open();
    REQUIRE(own);
    CHECK(pair.dialer.dialled == 3);
    pair.limits.max_pending_requests = 0;
    CHECK_FALSE(co_await pair.open());
    own->reset();
    co_await pair.stop();
  });
}

TEST_CASE("requests at the same time have connections of their own, and the latest idle is next") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    auto first = co_await pair.open();
    auto second = co_await pair.open();
    REQUIRE((first && second));
    CHECK(pair.dialer.dialled == 2);
    CHECK((co_await get(second->get(), "/2")) == "/2");
    CHECK((co_await get(first->get(), "/1")) == "/1");
    second->reset();
    first->reset();  // the latest
    auto third = co_await pair.open();
    CHECK((co_await get(third->get(), "/3")) == "/3");
    CHECK(pair.dialer.served[0] == std::vector<std::string>{"/1", "/3"});
    third->reset();
    co_await pair.stop();
  });
}

TEST_CASE("where the cluster's connections are used up requests wait in order, bounded") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    pair.limits.max_connections = 1;
    pair.limits.max_pending_requests = 2;
    auto first = co_await pair.open();
    REQUIRE(first);
    std::vector<std::string> heard;
    Scope waiting;
    for (const char* path : {"/2", "/3", "/4"}) {
      waiting.spawn(ask, &pair, std::string(path), &heard, std::string("a"));
      co_await settle();
    }
    CHECK(heard == std::vector<std::string>{"/4!limit reached"});
    CHECK(pair.quota->pending() == 2);
    CHECK((co_await get(first->get(), "/1")) == "/1");
    first->reset();
    co_await waiting.join();
    CHECK(heard == std::vector<std::string>{"/4!limit reached", "/2", "/3"});
    CHECK(pair.dialer.dialled == 1);
    CHECK(pair.quota->pending() == 0);
    co_await pair.stop();
  });
}

TEST_CASE("another client's idle connection makes room; each endpoint may have one all the same") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    pair.limits.max_connections = 1;
    std::vector<std::string> heard;
    co_await ask(&pair, "/1", &heard, "a");
    co_await ask(&pair, "/2", &heard, "b");
    CHECK(heard == std::vector<std::string>{"/1", "/2"});
    CHECK(pair.quota->connections() == 1);
    auto busy = co_await pair.open("b");
    pair.endpoint.address.port = 81;
    auto other = co_await pair.open("b");
    CHECK(other.has_value());
    CHECK(pair.quota->connections() == 2);
    busy->reset();
    other->reset();
    co_await pair.stop();
  });
}

TEST_CASE("who waits and is stopped leaves its place to the next") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    pair.limits.max_connections = 1;
    auto first = co_await pair.open();
    REQUIRE(first);
    std::vector<std::string> heard;
    Scope leaving, staying;
    leaving.spawn(ask, &pair, std::string("/2"), &heard, std::string("a"));
    co_await settle();
    staying.spawn(ask, &pair, std::string("/3"), &heard, std::string("a"));
    co_await settle();
    CHECK((co_await get(first->get(), "/1")) == "/1");
    first->reset();  // wakes the first in the queue
    leaving.request_stop();
    co_await leaving.join();
    co_await staying.join();
    CHECK(heard == std::vector<std::string>{"!cancelled", "/3"});
    co_await pair.stop();
  });
}

TEST_CASE("a connection serves exactly as many requests as it may") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    pair.limits.max_requests_per_connection = 10;
    std::vector<std::string> heard;
    for (int i = 0; i < 25; ++i) co_await ask(&pair, "/", &heard);
    CHECK(heard == std::vector<std::string>(25, "/"));
    REQUIRE(pair.dialer.dialled == 3);
    CHECK(pair.dialer.served[0].size() == 10);
    CHECK(pair.dialer.served[1].size() == 10);
    CHECK(pair.dialer.served[2].size() == 5);
    co_await pair.stop();
  });
}

TEST_CASE("an idle connection that the upstream closed is replaced, and one that is retired") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    std::vector<std::string> heard;
    co_await ask(&pair, "/1", &heard);
    pair.dialer.close_all();
    co_await settle();
    CHECK(pair.pool.counts().idle == 0);
    CHECK(pair.quota->connections() == 0);
    co_await ask(&pair, "/2", &heard);
    pair.pool.retire(pair.endpoint);
    CHECK(pair.pool.counts().idle == 0);
    co_await ask(&pair, "/3", &heard);
    CHECK(heard == std::vector<std::string>{"/1", "/2", "/3"});
    CHECK(pair.dialer.dialled == 3);
    co_await pair.stop();
  });
}

TEST_CASE("of replicas that are reached by one address, the connections of one alone are retired") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    const auto replica = [](const char* uid) {
      auto out = std::make_shared<mesh::Workload>();
      out->uid = uid;
      return out;
    };
    const auto leaves = replica("wp-1"), stays = replica("wp-2");
    std::vector<std::string> heard;
    for (const auto& one : {leaves, stays}) {
      pair.endpoint.workload = one;
      co_await ask(&pair, "/", &heard);
    }
    CHECK(pair.pool.counts().idle == 2);
    pair.endpoint.workload = leaves;
    pair.pool.retire(pair.endpoint);
    CHECK(pair.pool.counts().idle == 1);
    pair.endpoint.workload = stays;
    co_await ask(&pair, "/", &heard);
    CHECK(pair.dialer.dialled == 2);
    co_await pair.stop();
  });
}

TEST_CASE("what cannot be dialled says so, and holds no place") {
  run_loop([]() -> Task<> {
    PoolPair pair;
    pair.limits.max_connections = 1;
    pair.dialer.refuses = true;
    std::vector<std::string> heard;
    co_await ask(&pair, "/1", &heard);
    pair.dialer.refuses = false;
    co_await ask(&pair, "/2", &heard);
    CHECK(heard == std::vector<std::string>{"/1!refused", "/2"});
    co_await pair.stop();
  });
}

TEST_CASE("the pool's own bound closes what has been idle longest, then refuses") {
  run_loop([]() -> Task<> {
    PoolPair pair(PoolOptions{{}, 2});
    std::vector<std::string> heard;
    for (const char* client : {"a", "b", "c"}) co_await ask(&pair, "/", &heard, client);
    co_await settle();
    CHECK(pair.pool.counts().connections == 2);
    auto first = co_await pair.open("b");
    auto second = co_await pair.open("c");
    CHECK(pair.dialer.dialled == 3);  // neither was the oldest
    const auto third = co_await pair.open("d");
    REQUIRE_FALSE(third.has_value());
    CHECK(third.error().code == ErrorCode::kLimit);
    first->reset();
    second->reset();
    co_await pair.stop();
  });
}
