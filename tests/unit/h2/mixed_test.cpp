// Many streams that do everything at once, over bytes cut at odd places; nothing may leak or mix
// up.
#include "culvert/h2/budget.hpp"
#include "pair.hpp"

using namespace culvert;
using namespace culvert::h2;
using namespace culvert::h2::testing;

namespace {

struct Random {
  std::uint32_t state;
  std::uint32_t below(std::uint32_t bound) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8U) % bound;
  }
};

struct World {
  Pair* pair;
  Random random{777};
  int completed = 0;
  int cut_short = 0;
  int failed = 0;
};

// Echoes, and now and then resets, drops or answers without reading on.
Task<> serve_one(World* world, Stream stream) {
  (void)stream.send_headers(ok(), false);
  const auto whim = world->random.below(10);
  while (true) {
    const auto part = co_await stream.read(soon());
    if (!part) co_return;
    if (part->empty()) break;
    if (whim == 0) co_return stream.reset(kInternalError);
    if (whim == 1) co_return;
    if (!co_await stream.write(*part, soon())) co_return;
  }
  (void)stream.finish();
}

Task<> send_some(Stream* stream, std::size_t total, char fill) {
  const std::string block(total, fill);
  if (co_await stream->write(bytes_of(block), soon())) (void)stream->finish();
}

Task<> ask_one(World* world, int number) {
  auto stream = world->pair->client->open(connect_request(), false);
  if (!stream) {
    ++world->failed;
    co_return;
  }
  const std::size_t total = world->random.below(200'000);
  const char fill = static_cast<char>('a' + number % 26);
  Scope scope;
  scope.spawn(send_some, &*stream, total, fill);
  if (world->random.below(10) == 0) {
    co_await io::sleep_until(in(milliseconds(world->random.below(5))));
    stream->reset(kCancel);
    ++world->cut_short;
  } else {
    const std::string got = co_await read_all(&*stream);
    const bool whole = got == std::string(total, fill);
    const bool cut = got.ends_with("!reset") && got.find_first_not_of(fill) == got.size() - 6;
    CHECK((whole || cut));
    ++(whole ? world->completed : world->cut_short);
  }
  scope.request_stop();
  co_await scope.join();
}

}  // namespace

TEST_CASE("hundreds of streams that end in every way leave nothing behind and mix nothing up") {
  for (const std::size_t cut : {std::size_t{1013}, SIZE_MAX}) {
    run_loop(
        [](std::size_t max_read) -> Task<> {
          Budget budget(64U << 20);
          Pair pair;
          pair.to_client->max_read = pair.to_server->max_read = max_read;
          Options client = Options::client();
          Options server = Options::server();
          client.budget = server.budget = &budget;
          server.stream_window_bytes = 65'536;
          client.stream_window_bytes = 65'536;
          pair.over_memory(client, server);
          World world{&pair};
          Scope accepting;
          accepting.spawn(
              [](World* w) -> Task<> {
                Scope serving;
                while (Stream stream = co_await w->pair->accept()) {
                  serving.spawn(serve_one, w, std::move(stream));
                }
                serving.request_stop();
                co_await serving.join();
              },
              &world);
          for (int wave = 0; wave < 6; ++wave) {
            Scope asking;
            for (int i = 0; i < 60; ++i) asking.spawn(ask_one, &world, i);
            co_await asking.join();
          }
          co_await settle();
          CHECK(world.failed == 0);
          CHECK(world.completed > 200);
          CHECK(world.cut_short > 30);
          CHECK(pair.client->active_streams() == 0);
          CHECK(pair.client->buffered_bytes() == 0);
          CHECK(pair.server->buffered_bytes() == 0);
          CHECK(budget.used_bytes() == 0);
          CHECK(!pair.client_over);
          CHECK(!pair.server_over);
          accepting.request_stop();
          co_await accepting.join();
          co_await pair.stop();
        },
        cut);
  }
}
