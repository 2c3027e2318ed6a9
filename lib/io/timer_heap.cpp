#include "culvert/io/loop.hpp"

namespace culvert::io {

void TimerHeap::place(std::uint32_t index, Timer* timer) {
  heap_[index] = timer;
  timer->heap_index_ = index;
}

void TimerHeap::sift_up(std::uint32_t index) {
  Timer* timer = heap_[index];
  while (index > 0) {
    const std::uint32_t parent = (index - 1) / 2;
    if (heap_[parent]->at_ <= timer->at_) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, timer);
}

void TimerHeap::sift_down(std::uint32_t index) {
  Timer* timer = heap_[index];
  const auto size = static_cast<std::uint32_t>(heap_.size());
  while (true) {
    std::uint32_t child = index * 2 + 1;
    if (child >= size) break;
    if (child + 1 < size && heap_[child + 1]->at_ < heap_[child]->at_) ++child;
    if (timer->at_ <= heap_[child]->at_) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, timer);
}

void TimerHeap::add(Timer& timer, Deadline at) {
  assert(timer.heap_index_ == Timer::kIdle);
  if (at == kNoDeadline) return;
  timer.at_ = at;
  heap_.push_back(&timer);
  sift_up(static_cast<std::uint32_t>(heap_.size() - 1));
}

void TimerHeap::remove(Timer& timer) {
  const std::uint32_t index = timer.heap_index_;
  if (index == Timer::kIdle) return;
  timer.heap_index_ = Timer::kIdle;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last->heap_index_);
}

Deadline TimerHeap::earliest() const {
  return heap_.empty() ? kNoDeadline : heap_.front()->at_;
}

void TimerHeap::expire(Deadline now) {
  while (!heap_.empty() && heap_.front()->at_ <= now) {
    Timer* timer = heap_.front();
    remove(*timer);
    timer->expired();
  }
}

}  // namespace culvert::io
