// The mesh control: a folder of objects in, resources and certificates out to each node's socket.
// Everything here is the loop thread's; admin threads reach it through admin_routes.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "certificate_service.hpp"
#include "config_folder.hpp"
#include "culvert/grpc/server.hpp"
#include "culvert/io/loop.hpp"
#include "culvert/xds/server.hpp"
#include "folder_watch.hpp"
#include "peer_sockets.hpp"
#include "view.hpp"

namespace culvert::control {

// What nobody waits for comes this long after a change was sent.
inline constexpr std::chrono::milliseconds kFinishDelay{20};

struct PeerReport {
  std::string name;  // of the node, or "NAMESPACE/NAME" of the pod
  xds::NodeStatus xds;
  std::string error;  // why it has no socket; empty when it has one
};
struct Report {
  ViewPtr view;
  std::vector<PeerReport> nodes;
  std::vector<PeerReport> proxies;  // pods of waypoints and edges
};
struct SyncResult {
  Report report;
  bool folder_read = false;
  bool acknowledged = false;  // by all that are connected, within the time
};

struct ControlSettings {
  std::string config_dir;
  std::string socket_dir;
  CompileSettings compile;
  std::string state_dir;  // last good states outlive a restart there; empty: they do not
  std::chrono::seconds certificate_lifetime = certs::kDefaultLifetime;  // at most
};

class Control {
 public:
  /// `loop` outlives it, and runs it.
  Control(io::Loop& loop, ControlSettings settings, certs::CertificateAuthority authority);

  /// Before the loop runs: watches and reads the folder, and opens the peers' sockets.
  Result<void> start();
  /// Reads what has changed of the folder, and publishes it.
  Result<void> reload(const FolderChange& change);
  /// Looks at the whole folder, then waits until all that are connected have acknowledged it.
  io::Task<SyncResult> sync(io::Deadline deadline);
  Report report();

 private:
  void publish();
  void finish();
  io::Task<> finish_soon();

  io::Loop& loop_;
  ConfigFolder folder_;
  FolderWatch watch_;
  xds::Server xds_;
  CertificateService certificates_;
  grpc::Server server_;
  PeerSockets sockets_;
  bool finishing_ = false;
};

}  // namespace culvert::control
