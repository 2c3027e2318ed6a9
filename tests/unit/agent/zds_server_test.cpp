// The ZDS server against ztunnels made of plain sockets.
#include "zds_server.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "../temporary_folder.hpp"
#include "culvert/base/unix_socket.hpp"
#include "culvert/io/loop.hpp"
#include "pretended_node.hpp"

using namespace culvert;
using namespace culvert::agent;
using namespace std::chrono_literals;
using culvert::agent::testing::spec_of;

namespace {

struct Fixture {
  culvert::testing::TemporaryFolder folder;
  std::string path = folder.path() + "/zds.sock";
  Handover handover;
  ZdsServer server;
  std::unique_ptr<io::Loop> loop;
  std::thread thread;

  explicit Fixture(OpenPodNetns open = [](const Pod&) -> Result<UniqueFd> {
    return UniqueFd(::open("/dev/null", O_RDONLY));
  })
      : server(handover, std::move(open)) {
    loop =
        std::move(*io::Loop::create({.ring_entries = 64, .buffers = {.count = 4, .bytes = 4096}}));
    handover.on_change([this] { loop->post([this] { server.wake(); }); });
    const int listener = listen_unix(path, SOCK_SEQPACKET, 8)->release();
    loop->post([this, listener] {
      loop->root().spawn([](ZdsServer* s, int fd) -> io::Task<> { co_await s->run(UniqueFd(fd)); },
                         &server, listener);
    });
    thread = std::thread([this] { loop->run(); });
  }
  ~Fixture() {
    loop->stop();
    thread.join();
  }
};

struct Ztunnel {
  UniqueFd fd;
  bool got_fd = false;
  explicit Ztunnel(const std::string& path, std::string_view hello = {"\x08\x01", 2})
      : fd(std::move(*connect_unix(path, SOCK_SEQPACKET))) {
    send(hello);
  }
  void send(std::string_view packet) const {
    (void)::send(fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL);
  }
  void ack() const { send({"\x0a\x00", 2}); }
  // The next packet; "closed" at the end, "silent" when none comes.
  std::string receive(int timeout_ms = 30'000) {
    pollfd readable{fd.get(), POLLIN, 0};
    if (::poll(&readable, 1, timeout_ms) == 0) return "silent";
    char buffer[1024];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec vector{buffer, sizeof buffer};
    msghdr message{.msg_iov = &vector,
                   .msg_iovlen = 1,
                   .msg_control = control,
                   .msg_controllen = sizeof control};
    const ssize_t n = ::recvmsg(fd.get(), &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) return "closed";
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    got_fd = header != nullptr;
    if (got_fd) UniqueFd(*reinterpret_cast<const int*>(CMSG_DATA(header)));
    return {buffer, static_cast<std::size_t>(n)};
  }
};

const Pod kPod{spec_of("u1", "/n/a"), 7};
const std::string kAdd = *zds::encode(zds::Add{{"u1", "web-u1", "shop", "web"}});
const std::string kDel = *zds::encode(zds::Del{"u1"});
const std::string kSnapshotEnd("\x1a\x00", 2);

}  // namespace

TEST_CASE("a ztunnel gets the snapshot with descriptors, its end, and then changes") {
  Fixture f;
  f.handover.add(kPod);
  f.handover.set_complete();
  Ztunnel ztunnel(f.path);
  CHECK(ztunnel.receive() == kAdd);
  CHECK(ztunnel.got_fd);
  CHECK(ztunnel.receive(50) == "silent");
  ztunnel.ack();
  CHECK(f.handover.wait("u1", 30s).state == ZtunnelState::kAcked);
  CHECK(ztunnel.receive() == kSnapshotEnd);
  CHECK_FALSE(ztunnel.got_fd);
  ztunnel.ack();
  f.handover.remove("u1");
  CHECK(ztunnel.receive() == kDel);
}

TEST_CASE("pods are handed over as they become known, and the snapshot ends when all are") {
  Fixture f;
  Ztunnel ztunnel(f.path);
  CHECK(ztunnel.receive(100) == "silent");
  f.handover.add(kPod);
  CHECK(ztunnel.receive() == kAdd);
  ztunnel.ack();
  CHECK(ztunnel.receive(100) == "silent");
  f.handover.set_complete();
  CHECK(ztunnel.receive() == kSnapshotEnd);
}

TEST_CASE("the newest ztunnel is served, and the one before again when it leaves") {
  Fixture f;
  f.handover.set_complete();
  Ztunnel older(f.path);
  CHECK(older.receive() == kSnapshotEnd);
  older.ack();
  {
    Ztunnel newer(f.path);
    CHECK(newer.receive() == kSnapshotEnd);
    newer.ack();
    f.handover.add(kPod);
    CHECK(newer.receive() == kAdd);
    CHECK(older.receive(50) == "silent");
  }
  CHECK(older.receive() == kAdd);
  older.ack();
  CHECK(f.handover.wait("u1", 30s).state == ZtunnelState::kAcked);
}

TEST_CASE("a ztunnel that refuses a pod stays connected and its words are kept") {
  Fixture f;
  f.handover.add(kPod);
  f.handover.set_complete();
  Ztunnel ztunnel(f.path);
  CHECK(ztunnel.receive() == kAdd);
  ztunnel.send({"\x0a\x04\x0a\x02no", 6});
  CHECK(ztunnel.receive() == kSnapshotEnd);
  ztunnel.ack();
  CHECK(f.handover.state("u1").error == "no");
  CHECK(f.handover.state("u1").state == ZtunnelState::kFailed);
  f.handover.remove("u1");
  CHECK(ztunnel.receive() == kDel);
}

TEST_CASE("another hello, an unasked answer and garbage end the connection") {
  Fixture f;
  CHECK(Ztunnel(f.path, {"\x08\x02", 2}).receive() == "closed");
  CHECK(Ztunnel(f.path, "garbage").receive() == "closed");
  Ztunnel hasty(f.path);
  hasty.ack();
  hasty.ack();
  CHECK(hasty.receive() == "closed");
  f.handover.set_complete();
  Ztunnel talker(f.path);
  CHECK(talker.receive() == kSnapshotEnd);
  talker.send("garbage");
  CHECK(talker.receive() == "closed");
}

TEST_CASE("a pod whose namespace cannot be opened is only asked to be kept") {
  Fixture f([](const Pod&) -> Result<UniqueFd> { return fail(ErrorCode::kNotFound, "open"); });
  f.handover.add(kPod);
  f.handover.set_complete();
  Ztunnel ztunnel(f.path);
  CHECK(ztunnel.receive() == *zds::encode(zds::Keep{"u1"}));
  ztunnel.ack();
  CHECK(ztunnel.receive() == kSnapshotEnd);
}

TEST_CASE("more ztunnels than the maximum are turned away") {
  Fixture f;
  f.handover.set_complete();
  std::vector<Ztunnel> connected;
  for (std::size_t i = 0; i < kMaxZtunnels; ++i) {
    connected.emplace_back(f.path);
    CHECK(connected.back().receive() == kSnapshotEnd);
  }
  CHECK(Ztunnel(f.path).receive() == "closed");
}
