// A simulated process's loop on a thread of its own, which runs when the scheduler lets it.
#pragma once

#include <memory>
#include <thread>

#include "culvert/io/loop.hpp"
#include "network.hpp"
#include "sim_backend.hpp"

namespace culvert::sim {

class LoopThread {
 public:
  /// Its sockets are of this namespace.
  LoopThread(Network& network, int netns);
  /// After loop().stop() and a run of the scheduler until it has left.
  ~LoopThread() { thread_.join(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  io::Loop& loop() { return *loop_; }

 private:
  SimBackend* backend_;
  std::unique_ptr<io::Loop> loop_;
  std::thread thread_;
};

}  // namespace culvert::sim
