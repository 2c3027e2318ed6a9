// Client: keeps one delta xDS stream open to a server and feeds a ResourceSink. Loop thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "culvert/grpc/channel.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"
#include "culvert/xds/backoff.hpp"
#include "culvert/xds/subscriber.hpp"

namespace culvert::xds {

inline constexpr const char* kDeltaMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

struct ClientOptions {
  Node node;
  std::vector<std::string> type_urls;
  BackoffLimits backoff = kLocalBackoff;
  grpc::Metadata metadata;  // e.g. authorization, clusterid
  std::string authority = "localhost";
};

/// How an attempt to be served ended.
enum class Ending : std::uint8_t {
  kConnectionError,  // no connection
  kError,            // the server refused, or said what makes no sense
  kReconnect,        // the connection was lost
  kComplete,         // the server ended the stream in order
};
inline constexpr std::size_t kEndings = 4;

struct ReceivedCount {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // of the resources in them
};

struct ClientStatus {
  bool connected = false;     // the server has answered in HTTP/2, and the stream is open
  bool ready = false;         // every type had a response, on this stream or an earlier one
  std::uint64_t streams = 0;  // opened so far
  std::size_t resources = 0;  // held, all types
  std::uint64_t nacks = 0;
  std::string last_nack;
  std::string last_error;  // why the last stream or attempt ended; the server's words may be in it
  std::array<std::uint64_t, kEndings> endings{};  // by Ending
  std::map<std::string, ReceivedCount> received;  // by type URL, of those asked for
};

class Client {
 public:
  /// Connector and sink outlive it.
  Client(grpc::Connector& connector, ClientOptions options, ResourceSink& sink);

  /// Connects, subscribes and applies, again and again with backoff, until its fiber is stopped.
  io::Task<> run();

  /// What was held in an earlier run; before run().
  void restore(DeltaResponse saved) { subscriber_.restore(std::move(saved)); }

  ClientStatus status() const;
  bool ready() const { return subscriber_.ready(); }
  /// false: the deadline passed, or the fiber was stopped.
  io::Task<bool> wait_ready(io::Deadline deadline);

 private:
  io::Task<grpc::Status> connect_and_converse();
  io::Task<grpc::Status> converse(h2::Connection& connection);
  io::Task<grpc::Status> receive_all(grpc::ClientCall& call);
  void count(const DeltaResponse& response);

  grpc::Connector& connector_;
  const ClientOptions options_;
  Subscriber subscriber_;
  io::Event ready_changed_;
  std::minstd_rand random_{std::random_device{}()};
  bool connected_ = false;
  std::uint64_t streams_ = 0;
  std::string last_error_;
  std::array<std::uint64_t, kEndings> endings_{};
  std::map<std::string, ReceivedCount> received_;
};

}  // namespace culvert::xds
