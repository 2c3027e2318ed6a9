// A fiber is one chain of coroutines awaiting each other, e.g. one direction of a connection. It
// waits for at most one operation at a time, so that stopping it is: mark it, cancel that
// operation, and let the operation's completion resume it with kCancelled. Owned by a Scope; lives
// on one loop.
#pragma once

#include <coroutine>

namespace culvert::io {

class Scope;

/// Something a fiber waits for: an I/O request, an event, a timer, a scope. Lives in the awaiting
/// frame.
class Operation {
 public:
  /// Asks for an early end. The operation still resumes its fiber exactly once, later.
  virtual void cancel() = 0;

 protected:
  ~Operation() = default;
};

struct Fiber {
  Scope* scope = nullptr;
  Operation* waiting_for = nullptr;
  bool stopping = false;
  Fiber* previous = nullptr;  // siblings in the scope
  Fiber* next = nullptr;

  /// Idempotent. From now on every operation of this fiber fails with kCancelled.
  void stop() {
    if (stopping) return;
    stopping = true;
    if (waiting_for != nullptr) waiting_for->cancel();
  }
};

}  // namespace culvert::io
