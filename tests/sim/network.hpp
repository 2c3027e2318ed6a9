// An in-memory network of TCP connections and the machines' socket tables, with Linux's manners
// where they matter to a proxy: partial reads and writes, windows, half-closes, resets that are
// told of once, data that arrives after a close and is answered with a reset. Addresses are pods'.
// Everything runs on whichever thread has the scheduler's turn.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "culvert/base/ip.hpp"
#include "culvert/bpf/socket_maps.hpp"
#include "culvert/io/backend.hpp"
#include "scheduler.hpp"

namespace culvert::sim {

class SimBackend;

/// How the network behaves in one run.
struct Conditions {
  Time max_delay = std::chrono::milliseconds(20);
  std::size_t most_at_once = 64U << 10;  // bytes of one read or write
  std::size_t window_bytes = 64U << 10;
};

/// An operation of a loop that waits for a socket.
struct Waiting {
  SimBackend* backend;
  io::IoRequest* request;
};

struct Socket {
  enum class Kind : std::uint8_t { kFresh, kListening, kStream, kWake, kNamespace };
  Kind kind = Kind::kFresh;
  int fd = -1;
  int netns = -1;
  bool ztunnel = false;  // marked, or accepted by its listeners
  SocketAddress local, remote;
  std::optional<SocketAddress> shown_client;          // what mark() said
  std::optional<SocketAddress> original_destination;  // of a captured connection
  std::deque<std::shared_ptr<Socket>> backlog;        // of a listening socket
  std::uint64_t wakes = 0;                            // of a wake descriptor

  std::weak_ptr<Socket> peer;
  std::string received;        // arrived and not yet read
  std::size_t on_the_way = 0;  // sent and not yet arrived
  Time last_arrival{};         // of what this socket sent: bytes and FIN keep their order
  std::uint64_t total_sent = 0;
  bool connected = false;
  bool fin_sent = false, fin_received = false;
  bool reset = false;  // the connection is gone
  int error = 0;       // told once, as in Linux
  bool reset_on_close = false;
  bool closed = false;

  std::vector<Waiting> waiting;
  std::function<void()> on_change;  // of an application's socket
};
using SocketPtr = std::shared_ptr<Socket>;

/// The run that violation() names.
void set_seed(std::uint64_t seed);
/// Breaks the simulation off with a message; something did what no program may do.
[[noreturn]] void violation(const std::string& what);

class Network {
 public:
  static constexpr int kFirstFd = 1 << 20;
  /// (namespace, kind, family, slot)
  using Slot = std::tuple<int, bpf::ListenerKind, int, unsigned>;

  Network(Scheduler& scheduler, Rng& rng, Conditions conditions)
      : scheduler_(scheduler), rng_(rng), conditions_(conditions) {}

  // Descriptors. Numbers are never used twice, so that a use after close is seen.
  static bool is_simulated(int fd) { return fd >= kFirstFd; }
  SocketPtr make(Socket::Kind kind, int netns);
  /// The open socket behind a number; a violation when there is none.
  SocketPtr find(int fd);
  void close(int fd);
  /// All that is open, for the end of a run.
  std::vector<SocketPtr> open_sockets() const;

  // Pods.
  /// A namespace with these addresses; returns its number. Captured: ztunnel's listeners get what
  /// comes and goes.
  int add_namespace(std::vector<IpAddress> addresses, bool captured);
  void set_captured(int netns, bool captured) { namespaces_[netns].captured = captured; }
  const IpAddress& address_of(int netns) const { return namespaces_[netns].addresses.front(); }
  void offer(const Slot& slot, int listener_fd) { slots_[slot] = find(listener_fd); }
  bool offers(const Slot& slot) const;
  void withdraw(const Slot& slot) { slots_.erase(slot); }
  /// An application listens: `on_accept` gets each connection.
  void listen(int netns, std::uint16_t port, std::function<void(SocketPtr)> on_accept);
  void stop_listening(int netns, std::uint16_t port) {
    namespaces_[netns].applications.erase(port);
  }
  /// A Unix socket's path leads to this address; `on_attempt` hears of each connect().
  void name_socket(const std::string& path, SocketAddress at, std::function<void()> on_attempt) {
    names_[path] = {at, std::move(on_attempt)};
  }
  /// nullopt: there is no such file.
  std::optional<SocketAddress> look_up(const std::string& path) const;

  // Streams, without blocking: -EAGAIN, or what read(2) and send(2) would give.
  ssize_t receive(Socket& socket, std::span<std::uint8_t> into);
  ssize_t send(Socket& socket, std::span<const std::uint8_t> bytes);
  /// -EAGAIN, or 0 with a connection.
  int accept(Socket& listener, SocketPtr& accepted);
  void shut_down_sending(Socket& socket);
  /// The outcome (0 or an errno) comes later; nothing comes when nobody answers.
  void connect(const SocketPtr& socket, SocketAddress to, std::function<void(int)> outcome);
  /// RST to both ends, as from a middlebox.
  void cut(const SocketPtr& socket);
  /// Nothing between namespaces arrives before `until`.
  void stall(Time until) { stalled_until_ = until; }
  Time stalled_until() const { return stalled_until_; }
  /// What two namespaces sent each other over the wire, for tests of secrecy.
  void watch_wire(std::function<void(std::span<const std::uint8_t>)> watcher) {
    wire_watcher_ = std::move(watcher);
  }

  /// The streams that are open, a line each: for messages.
  std::string describe() const;

  void changed(Socket& socket);
  Scheduler& scheduler() { return scheduler_; }
  Rng& rng() { return rng_; }
  const Conditions& conditions() const { return conditions_; }

 private:
  struct Namespace {
    std::vector<IpAddress> addresses;
    bool captured = false;
    std::map<std::uint16_t, std::function<void(SocketPtr)>> applications;
    std::uint16_t next_port = 32768;
  };
  struct Arrival {
    SocketPtr listener;                                 // ztunnel's
    std::function<void(SocketPtr)> application;         // or an application's
    SocketAddress local, remote;                        // of the accepted socket
    std::optional<SocketAddress> original_destination;  // captured going out
    bool across = false;                                // between two namespaces
  };

  Arrival steer(const Socket& from, SocketAddress to);
  int owner_of(const IpAddress& address) const;
  SocketPtr listener_of(int netns, bpf::ListenerKind kind, int family, std::uint16_t source_port);
  Time arrival_time(Socket& from, const Socket& to, bool in_order);
  void send_reset(Socket& from, bool in_order);
  void reset_arrives(Socket& to);
  void establish(const SocketPtr& client, const Arrival& arrival);

  Scheduler& scheduler_;
  Rng& rng_;
  Conditions conditions_;
  int next_fd_ = kFirstFd;
  std::map<int, SocketPtr> open_;
  std::vector<Namespace> namespaces_;
  std::map<Slot, std::weak_ptr<Socket>> slots_;
  std::map<std::string, std::pair<SocketAddress, std::function<void()>>> names_;
  Time stalled_until_{};
  std::function<void(std::span<const std::uint8_t>)> wire_watcher_;
};

/// The network that this process simulates now; null between runs, when the system's own calls are
/// used (system_calls.cpp).
extern Network* g_network;

}  // namespace culvert::sim
