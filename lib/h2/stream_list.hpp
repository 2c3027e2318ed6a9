// StreamList: the streams of a session, each kept alive by being in it. Owned by the session; loop
// thread. A list in the streams themselves: a map of them costs two blocks a stream.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "stream_state.hpp"

namespace culvert::h2 {

class StreamList {
 public:
  StreamList() = default;
  StreamList(const StreamList&) = delete;
  StreamList& operator=(const StreamList&) = delete;
  ~StreamList() { clear(); }

  StreamState& add(std::shared_ptr<StreamState> stream) {
    StreamState& added = *stream;
    added.next = first_;
    if (first_ != nullptr) first_->previous = &added;
    first_ = &added;
    ++size_;
    added.own = std::move(stream);
    return added;
  }
  /// It may be gone then.
  void remove(StreamState& stream) {
    assert(stream.own != nullptr && "it is in the list");
    (stream.previous != nullptr ? stream.previous->next : first_) = stream.next;
    if (stream.next != nullptr) stream.next->previous = stream.previous;
    stream.previous = stream.next = nullptr;
    --size_;
    const auto last = std::move(stream.own);
  }
  void clear() {
    while (first_ != nullptr) remove(*first_);
  }
  /// nullptr: none. Walks the list.
  StreamState* find(std::int32_t id) const {
    StreamState* at = first_;
    while (at != nullptr && at->id != id) at = at->next;
    return at;
  }
  /// `what(stream)` adds and removes none.
  template <class What>
  void for_each(What what) {
    for (StreamState* at = first_; at != nullptr; at = at->next) what(*at);
  }
  std::size_t size() const { return size_; }

 private:
  StreamState* first_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace culvert::h2
