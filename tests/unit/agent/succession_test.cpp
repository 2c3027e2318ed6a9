// One agent takes over from another: the words, the sockets that go along, and either one's end.
#include "succession.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "../temporary_folder.hpp"
#include "culvert/base/unix_socket.hpp"

using namespace culvert;
using namespace culvert::agent;
using culvert::testing::TemporaryFolder;

namespace {

struct Fixture {
  TemporaryFolder folder;
  std::string admin = folder.path() + "/agent.sock", zds = folder.path() + "/zds.sock";
  UniqueFd signals{::eventfd(0, EFD_CLOEXEC)};
  void signal() const {
    const std::uint64_t one = 1;
    REQUIRE(::write(signals.get(), &one, sizeof one) == sizeof one);
  }
  Places places() { return *open_places(admin, zds, {}); }
};

// A pair that has met: the successor's end, and what the predecessor let in.
struct Met {
  std::optional<Predecessor> predecessor;
  std::optional<UniqueFd> successor;
  explicit Met(const Fixture& f) {
    auto door = SuccessorDoor::open(f.folder.path());
    REQUIRE(door.has_value());
    auto found = Predecessor::find(f.folder.path());
    REQUIRE(found.has_value());
    predecessor = std::move(*found);
    REQUIRE(predecessor.has_value());
    successor = door->let_in();
    REQUIRE(successor.has_value());
  }
};

}  // namespace

TEST_CASE("nobody serves: there is none to take over from") {
  const Fixture f;
  CHECK(*Predecessor::find(f.folder.path()) == std::nullopt);
  {
    const auto closed = SuccessorDoor::open(f.folder.path());
  }
  CHECK(*Predecessor::find(f.folder.path()) == std::nullopt);  // its file is left
}

TEST_CASE("the sockets go over with what waits in them") {
  Fixture f;
  std::optional<Places> former = f.places();
  const auto early = connect_unix(f.admin, SOCK_STREAM);
  REQUIRE(early.has_value());
  REQUIRE(::send(early->get(), "hello", 5, 0) == 5);
  Met met(f);
  REQUIRE(hand_over(met.successor->get(), *former).has_value());
  auto found = met.predecessor->take_over(f.signals.get());
  REQUIRE(found.has_value());
  former.reset();  // the predecessor's copies
  auto places = open_places(f.admin, f.zds, std::move(*found));
  REQUIRE(places.has_value());
  const UniqueFd accepted(::accept(places->admin.listener.get(), nullptr, nullptr));
  char text[5];
  CHECK(::recv(accepted.get(), text, sizeof text, 0) == 5);
  CHECK(connect_unix(f.zds, SOCK_SEQPACKET).has_value());
  met.predecessor->done();
  CHECK(wait_done(met.successor->get(), f.signals.get()) == Succession::kDone);
}

TEST_CASE("a place with another path is made anew, and the former one is closed") {
  Fixture f;
  auto places = open_places(f.admin + "2", f.zds, f.places());
  REQUIRE(places.has_value());
  CHECK(connect_unix(f.admin + "2", SOCK_STREAM).has_value());
  CHECK(connect_unix(f.admin, SOCK_STREAM).error().code == ErrorCode::kRefused);
  CHECK(connect_unix(f.zds, SOCK_SEQPACKET).has_value());
}

TEST_CASE("whichever of the two ends first is noticed by the other") {
  Fixture f;
  {
    Met met(f);
    met.successor.reset();
    CHECK(met.predecessor->take_over(f.signals.get()).error().code == ErrorCode::kClosed);
  }
  Met met(f);
  REQUIRE(hand_over(met.successor->get(), f.places()).has_value());
  met.predecessor.reset();
  CHECK(wait_done(met.successor->get(), f.signals.get()) == Succession::kLost);
}

TEST_CASE("a signal ends the waiting of both") {
  Fixture f;
  Met met(f);
  f.signal();
  CHECK(met.predecessor->take_over(f.signals.get()).error().code == ErrorCode::kCancelled);
  CHECK(wait_done(met.successor->get(), f.signals.get()) == Succession::kInterrupted);
}

TEST_CASE("who says anything else is not let in") {
  Fixture f;
  auto door = SuccessorDoor::open(f.folder.path());
  const auto stranger = connect_unix(f.folder.path() + "/handover.sock", SOCK_SEQPACKET);
  REQUIRE(stranger.has_value());
  REQUIRE(::send(stranger->get(), "takeover 2", 10, 0) == 10);
  CHECK(door->let_in() == std::nullopt);
}
