// The connections that a worker carries now: each is registered from before it is authorized until
// it has ended, so that others can list it, decide about it again, and cut it. One table a worker,
// on its thread; entries live in the connections' own frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "culvert/io/deadline.hpp"
#include "culvert/io/scope.hpp"
#include "culvert/mesh/waypoint.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::proxy {

class Report;

/// How a connection is carried here.
enum class Path : std::uint8_t {
  kTunnel,         // outbound, a CONNECT in a tunnel to another node
  kJoined,         // outbound and inbound at once: both pods are on this node
  kPlain,          // outbound in plaintext
  kInboundTunnel,  // a CONNECT of a tunnel that arrived
  kInboundPlain,
  kWaypoint,  // passed through by a waypoint
};
/// "tunnel", "joined", "plain", "inbound-tunnel", "inbound-plain", "waypoint".
const char* to_string(Path path);

/// Why somebody here ended a connection that neither end had ended.
enum class Cut : std::uint8_t {
  kNone,
  kPolicy,    // a policy changed and refuses it now
  kRevoked,   // the certificate of its tunnel's other end was revoked
  kDrain,     // this process is about to end
  kAdmin,     // a person asked for it
  kIdle,      // nothing moved for connectionPool.tcp.idleTimeout
  kDuration,  // connectionPool.tcp.maxConnectionDuration is over
};
/// For logs: "cut after a policy change", ...
const char* to_string(Cut cut);

/// What admit() was asked about a connection, so that it can be asked again.
struct Decided {
  mesh::WorkloadPtr destination;
  mesh::WorkloadPtr source;  // kJoined, where the source's identity is its workload's; else null
  const mesh::Identity* proved = nullptr;  // the tunnel's client; outlives the entry
  IpAddress source_ip;
  SocketAddress address;  // at the destination workload
  mesh::WaypointBypass bypass = mesh::WaypointBypass::kRefuse;
  std::unique_ptr<const mesh::Arriving::Claim> claim{};  // of the tunnel's client; null: none
};
/// Asks it, of the workloads that `decided` has.
mesh::Admission decide(const mesh::Snapshot& snapshot, const Decided& decided);

/// The verdict that cut a connection.
struct CutBy {
  std::string policy;  // "NAMESPACE/NAME" of the policy that refuses
  std::string reason;  // in words
};

/// One connection. What it points at lives as long as the entry.
struct LiveConnection {
  std::uint64_t id = 0;  // unique in the process
  telemetry::Direction direction = telemetry::Direction::kOutbound;
  Path path = Path::kTunnel;
  Cut cut = Cut::kNone;
  const telemetry::ConnectionRecord* record = nullptr;
  RelayCounters bytes;  // so far
  io::Scope scope;      // of the relay: stopping it resets both ends
  io::Clock::time_point since;
  int app_fd = -1;      // the socket on the application's side; -1: not there yet
  int network_fd = -1;  // the tunnel's or plain connection's; -1: joined, not there yet
  std::unique_ptr<Decided> decided_by;  // null: not decided here
  io::Deadline undecided_until{};       // set: it waits so long for a policy that it depends on
  const std::array<std::uint8_t, 32>* peer_certificate = nullptr;  // SHA-256 of its tunnel's
                                                                   // other end's leaf
  std::unique_ptr<const CutBy> cut_by;                             // kPolicy
  LiveConnection* previous = nullptr;                              // neighbors in the table
  LiveConnection* next = nullptr;
};

class LiveConnections {
 public:
  LiveConnections();
  LiveConnections(const LiveConnections&) = delete;
  LiveConnections& operator=(const LiveConnections&) = delete;
  ~LiveConnections();

  /// Gives it an id and appends it. `entry` stays where it is until remove().
  void add(LiveConnection& entry);
  void remove(LiveConnection& entry);
  std::size_t size() const { return size_; }
  /// How often one was added or removed.
  std::uint64_t changes() const { return changes_; }

  /// Calls `visit(LiveConnection&)` for each, oldest first. `visit` neither adds nor removes.
  template <class Visit>
  void for_each(Visit visit) {
    for (LiveConnection* entry = first_; entry != nullptr; entry = entry->next) visit(*entry);
  }

  /// Ends the connection: both ends are reset, soon, and its access-log line says why. The first
  /// reason stays. False when it had been cut before.
  bool cut(LiveConnection& entry, Cut why);

  /// A walk that may pause between two entries while connections come and go. What is added
  /// meanwhile is visited too.
  class Walk {
   public:
    explicit Walk(LiveConnections& table);
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;
    ~Walk();
    /// nullptr at the end.
    LiveConnection* next();

   private:
    friend class LiveConnections;
    LiveConnections& table_;
    LiveConnection* at_;  // what next() gives
    Walk* other_;         // the table's list of walks
  };

 private:
  LiveConnection* first_ = nullptr;
  LiveConnection* last_ = nullptr;
  Walk* walks_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t next_id_;
};

/// A connection's registration for the life of this object, with what its relay needs.
class LiveEntry : public LiveConnection {
 public:
  /// `table` and `report` outlive it.
  LiveEntry(LiveConnections& table, const Report& report, Path path);
  LiveEntry(const LiveEntry&) = delete;
  LiveEntry& operator=(const LiveEntry&) = delete;
  ~LiveEntry() { table_.remove(*this); }

  bool was_cut() const { return cut != Cut::kNone; }
  /// Ends `report` as the connection ended: cut, failed (`failure`), or in order.
  void tell(Report& report, const std::optional<Error>& failure) const;

 private:
  LiveConnections& table_;
};

}  // namespace culvert::proxy
