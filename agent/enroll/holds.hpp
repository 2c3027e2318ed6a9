// What some thread is at work on while the owner's lock is let go: a pod by its uid, a namespace by
// its cookie. Who wants the same waits its turn; others go on beside it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

namespace culvert::agent {

/// Guarded by the lock of its owner, which every call holds.
template <class Key>
class Busy {
 public:
  bool contains(const Key& key) const { return keys_.contains(key); }

 private:
  template <class>
  friend class Hold;
  std::set<Key> keys_;
  std::condition_variable given_back_;
};

/// Holds `key` until its end; the constructor waits for that, during which the lock is let go. The
/// lock is held at the destructor. Who holds a pod and a namespace takes the pod first.
template <class Key>
class Hold {
 public:
  Hold(Busy<Key>& busy, std::unique_lock<std::mutex>& lock, Key key)
      : busy_(busy), key_(std::move(key)) {
    busy_.given_back_.wait(lock, [this] { return !busy_.keys_.contains(key_); });
    busy_.keys_.insert(key_);
  }
  ~Hold() {
    busy_.keys_.erase(key_);
    busy_.given_back_.notify_all();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Busy<Key>& busy_;
  const Key key_;
};

}  // namespace culvert::agent
