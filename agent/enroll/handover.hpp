// What ztunnel should hold and how far it is: the meeting point of the admin threads, which enroll
// pods, and the loop thread, which speaks ZDS. Values under one lock, no I/O; any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "pod.hpp"

namespace culvert::agent {

struct Handed {
  ZtunnelState state = ZtunnelState::kPending;
  std::string error;  // ztunnel's words, when it failed
};

class Handover {
 public:
  using Pods = std::map<std::string, Pod, std::less<>>;

  /// `changed` is called after every change of what ztunnel should hold, by the changing thread and
  /// outside the lock. Set once, before other threads start.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  void add(const Pod& pod);
  void remove(const std::string& uid);
  /// Until then not all pods are known, and the snapshot does not end (ztunnel would forget the
  /// rest).
  void set_complete();

  Pods pods() const;
  bool complete() const;

  /// The loop thread tells: an answer for one pod, and that a (or no) ztunnel is being served now,
  /// which makes every pod pending.
  void answered(const std::string& uid, std::uint64_t cookie, ZtunnelState state,
                std::string error);
  void served(bool connected);

  bool connected() const;
  Handed state(const std::string& uid) const;
  /// Waits until ztunnel has acked or failed the pod, or has no such pod to hold, or the time is
  /// up.
  Handed wait(const std::string& uid, std::chrono::milliseconds at_most) const;
  /// No wait(), begun or to come, lasts longer than until then.
  void answer_by(std::chrono::steady_clock::time_point end);

 private:
  Handed state_locked(const std::string& uid) const;

  std::function<void()> changed_;
  mutable std::mutex mutex_;
  mutable std::condition_variable answered_;
  // Guarded by mutex_.
  Pods pods_;
  std::map<std::string, Handed, std::less<>> states_;
  bool complete_ = false;
  bool connected_ = false;
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace culvert::agent
