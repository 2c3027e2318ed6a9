// The predecessor's side of a handover: listens for a successor, frees what it asks for, and takes
// everything back if it dies before it serves. Afterwards, while this process drains, it hears from
// whoever serves which pods are still there. On the control loop's thread.
#pragma once

#include <functional>
#include <string>

#include "culvert/base/fd.hpp"
#include "culvert/io/scope.hpp"
#include "ztunnel/handover/counts.hpp"
#include "ztunnel/handover/retirement.hpp"

namespace culvert::ztunnel {

/// What a handover changes in this process, besides its end.
class PublicPlaces {
 public:
  virtual ~PublicPlaces() = default;
  /// Frees the addresses of administration, metrics and readiness.
  virtual io::Task<> close_ports() = 0;
  /// Takes them again.
  virtual void open_ports() = 0;
  /// A successor serves: from now on this process is administered in private.
  virtual void move_out() = 0;
};

class HandoverServer {
 public:
  /// All outlive it.
  HandoverServer(std::string state_dir, PodRegistry& registry, Retirement& retirement,
                 PublicPlaces& places, CountsTeller counts)
      : state_dir_(std::move(state_dir)),
        registry_(registry),
        retirement_(retirement),
        places_(places),
        counts_(std::move(counts)) {}
  /// Removes its socket.
  ~HandoverServer();

  /// Takes the name handover.sock in the state folder. kInvalid when another process listens there.
  Result<void> open();
  /// Accepts and answers until its fiber is stopped.
  io::Task<> run();
  /// When the last connection has ended: waits until whoever serves has all that was counted; at
  /// most kLastCountsWait, and not at all when nobody was handed over to.
  io::Task<> tell_last_counts();

 private:
  static io::Task<> serve(HandoverServer* self, int raw_fd);
  io::Task<> hand_over(int fd);
  io::Task<bool> tell_counts(int fd);
  void take_back(bool stopped);
  void hear_had(int fd);
  void hear_pods(std::string_view packet, std::vector<std::string>& keep);

  std::string state_dir_;
  PodRegistry& registry_;
  Retirement& retirement_;
  PublicPlaces& places_;
  CountsTeller counts_;
  int telling_ = -1;  // the descriptor of who was told last and has not said "had"
  std::uint64_t told_rounds_ = 0, had_round_ = 0;
  io::Event had_;
  std::string path_;  // of our socket, wherever it is now
  UniqueFd listener_;
  bool busy_ = false;  // a successor is connected
  bool handed_over_ = false;
};

}  // namespace culvert::ztunnel
