// MirrorFeed: a request's body on its way to one mirror. The exchange puts parts in and never
// waits; the mirror's fiber takes them out. Held by both; on one loop.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "culvert/http/fields.hpp"
#include "culvert/io/event.hpp"
#include "culvert/io/loop.hpp"
#include "waypoint/exchange/context.hpp"
#include "waypoint/http/exchange.hpp"

namespace culvert::waypoint {

class MirrorFeed {
 public:
  explicit MirrorFeed(ExchangeContext& context) : context_(context) {}
  MirrorFeed(const MirrorFeed&) = delete;
  MirrorFeed& operator=(const MirrorFeed&) = delete;
  ~MirrorFeed() { drop(); }

  /// Keeps the part until the mirror takes it; beyond the bounds the mirror is given up.
  void put(Bytes part) {
    if (given_up_ || finished()) return;
    const bool over = waiting_.size() + part.size() > kMirrorBytes ||
                      context_.counts.mirror_bytes + part.size() > kMaxMirrorBytes;
    if (over) {
      ++context_.counts.mirrors_given_up;
      give_up();
      return;
    }
    waiting_.append(reinterpret_cast<const char*>(part.data()), part.size());
    context_.counts.mirror_bytes += part.size();
    changed_.notify();
  }
  /// The body is whole.
  void finish(const http::Fields& trailers) {
    if (given_up_) return;
    trailers_ = trailers;
    finished_at_ = io::Loop::current().now();
    changed_.notify();
  }
  /// It will never be whole, or nobody wants it any more.
  void give_up() {
    given_up_ = true;
    drop();
    changed_.notify();
  }

  bool given_up() const { return given_up_; }
  /// All has been put in; what take() gives is the last.
  bool finished() const { return finished_at_.has_value(); }
  /// When that was.
  const std::optional<io::Deadline>& finished_at() const { return finished_at_; }
  bool empty() const { return waiting_.empty(); }
  const http::Fields& trailers() const { return trailers_; }
  /// What waits; now the caller's.
  std::string take() {
    context_.counts.mirror_bytes -= waiting_.size();
    return std::exchange(waiting_, {});
  }
  io::Event& changed() { return changed_; }

 private:
  void drop() { (void)take(); }

  ExchangeContext& context_;
  std::string waiting_;
  http::Fields trailers_;
  std::optional<io::Deadline> finished_at_;
  bool given_up_ = false;
  io::Event changed_;
};

}  // namespace culvert::waypoint
