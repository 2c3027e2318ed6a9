#include "culvert/io/scope.hpp"

#include "culvert/io/loop.hpp"

namespace culvert::io {

void Scope::start(Child child) {
  Fiber& fiber = child.handle_.promise().own;
  fiber.scope = this;
  fiber.next = first_;
  if (first_ != nullptr) first_->previous = &fiber;
  first_ = &fiber;
  ++size_;
  Loop::current().ready(child.handle_);
}

void Scope::leave(Fiber& fiber) {
  assert(fiber.waiting_for == nullptr && "a fiber ended inside an operation");
  if (fiber.previous != nullptr) fiber.previous->next = fiber.next;
  if (fiber.next != nullptr) fiber.next->previous = fiber.previous;
  if (first_ == &fiber) first_ = fiber.next;
  --size_;
}

void Scope::child_left() {
  if (empty() && joiner_ != nullptr) {
    Loop::current().ready(std::exchange(joiner_, nullptr)->waiter);
  }
}

void Scope::request_stop() {
  stopping_ = true;
  for (Fiber* fiber = first_; fiber != nullptr; fiber = fiber->next) fiber->stop();
}

}  // namespace culvert::io
