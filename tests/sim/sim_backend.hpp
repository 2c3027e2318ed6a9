// The io runtime's backend over the simulated network. Completions come in an order drawn from the
// seed, receives find the buffer pool empty now and then, and each turn hands the scheduler over.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "culvert/io/backend.hpp"
#include "network.hpp"

namespace culvert::sim {

class SimBackend final : public io::Backend, public Participant {
 public:
  SimBackend(Network& network, io::BufferPoolOptions pool);

  void start(io::IoRequest& request) override;
  void cancel(io::IoRequest& request) override;
  void turn(bool wait, io::Deadline until) override;
  std::span<std::uint8_t> buffer(std::uint16_t id) override;
  void return_buffer(std::uint16_t id) override { free_.push_back(id); }
  std::size_t free_buffers() const override { return free_.size(); }
  std::size_t buffer_count() const override { return pool_.count; }
  std::size_t in_flight() const override { return in_flight_; }

  bool has_work() const override { return !completions_.empty(); }
  Time wakes_at() const override { return wakes_at_; }

  /// A socket that the request waits for has changed.
  void retry(io::IoRequest& request);

 private:
  struct Completion {
    io::IoRequest* request;
    std::int32_t result;
    std::uint16_t buffer_id;
  };
  struct Queued {
    io::IoRequest* request;
    bool cancel;
  };
  void submit();
  void attempt(io::IoRequest& request);
  ssize_t attempt_transfer(io::IoRequest& request, Socket& socket, std::uint16_t& buffer_id);
  void begin_connect(io::IoRequest& request);
  void withdraw(io::IoRequest& request);
  void finish(io::IoRequest& request, std::int32_t result, std::uint16_t buffer_id = io::kNoBuffer);

  Network& network_;
  io::BufferPoolOptions pool_;
  std::vector<std::uint8_t> memory_;
  std::vector<std::uint16_t> free_;
  std::vector<Queued> queue_;
  std::vector<Completion> completions_;
  std::size_t in_flight_ = 0;
  Time wakes_at_{};
};

}  // namespace culvert::sim
