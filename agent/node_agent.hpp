// One agent at work: from opening the datapath until a signal comes or a successor. Its sockets are
// somebody else's (succession/places.hpp): they outlive it. The main thread makes and ends it.
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "culvert/admin/http_server.hpp"
#include "culvert/io/loop.hpp"
#include "enrollment.hpp"
#include "handover.hpp"
#include "kernel_capture.hpp"
#include "netns_watch.hpp"
#include "run.hpp"
#include "succession.hpp"
#include "zds_server.hpp"

namespace culvert::agent {

class NodeAgent {
 public:
  /// Opens the datapath; answers nobody yet.
  static Outcome<std::unique_ptr<NodeAgent>> start(const RunSettings& settings);
  /// Ends at once, whoever has connected, and lets go of the pins, which stay.
  ~NodeAgent();
  NodeAgent(const NodeAgent&) = delete;
  NodeAgent& operator=(const NodeAgent&) = delete;

  /// Answers at these places from now on, with copies of the sockets: ztunnel at once, which hears
  /// of the former agent's pods as they are captured, everybody else when all of them are.
  Outcome<void> answer_at(const Places& places);
  /// Watches the node until `signals` is readable, or somebody came through the door to take over,
  /// who is returned.
  std::optional<UniqueFd> watch(int signals, SuccessorDoor& door);
  /// Accepts no more, answers what it has accepted, and ends the conversation with ztunnel. What
  /// connects from now on waits in the sockets.
  void stop_answering();

 private:
  NodeAgent(const RunSettings& settings, Datapath datapath, NetnsWatch netns_watch,
            std::unique_ptr<io::Loop> loop);
  void speak_zds(UniqueFd listener);
  void end_zds();
  Outcome<void> take_up_pods();
  void look_at_the_node();
  std::vector<admin::Route> routes();
  void open_metrics();

  const RunSettings& settings_;
  KernelCapture capture_;
  Handover handover_;
  Enrollment enrollment_;
  NetnsWatch netns_watch_;
  UniqueFd changed_;  // an eventfd that wakes watch(): pods came or went
  std::unique_ptr<io::Loop> loop_;
  ZdsServer zds_;
  std::thread zds_thread_;
  std::unique_ptr<admin::HttpServer> server_;
  std::unique_ptr<admin::HttpServer> metrics_;  // nullptr while its port is another's
};

}  // namespace culvert::agent
