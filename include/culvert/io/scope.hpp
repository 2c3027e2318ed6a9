// Scope: owns child fibers. Nothing is detached: the scope's owner joins it before it dies, and the
// destructor asserts that nobody is inside. One loop; not thread safe.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

#include "culvert/io/fiber.hpp"
#include "culvert/io/task.hpp"

namespace culvert::io {

class Scope {
 public:
  class Child;

  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { assert(empty() && "a scope must be joined before it dies"); }

  /// Starts `function(arguments...)`, which returns Task<void> or Child, as a child fiber at the
  /// next run of the loop's queue. Copies of the function and the arguments live as long as the
  /// child: pass pointers to what outlives this scope, never capturing lambdas' references. A
  /// stopped scope starts nothing.
  template <class F, class... Args>
  void spawn(F function, Args... arguments) {
    if (stopping_) return;
    if constexpr (std::is_same_v<std::invoke_result_t<F, Args...>, Child>) {
      static_assert(std::is_empty_v<F> || !std::is_class_v<F>, "its captures would die here");
      start(function(std::move(arguments)...));
    } else {
      start(run_child(std::move(function), std::move(arguments)...));
    }
  }

  /// Stops every child (their operations fail with kCancelled) and refuses new ones. Does not wait.
  void request_stop();
  /// Resumes when no child is left. Stopping the joining fiber stops the children and still waits.
  auto join() { return JoinAwaiter{*this}; }

  bool empty() const { return first_ == nullptr; }
  bool stopping() const { return stopping_; }
  std::size_t size() const { return size_; }

  /// What a coroutine returns that is the outermost of a fiber, for spawn() alone: it has one frame
  /// less than a Task in a fiber of its own. Takes its arguments by value; frees itself when it
  /// ends.
  class [[nodiscard]] Child {
   public:
    struct promise_type {
      Fiber* fiber = &own;
      Fiber own;
      Child get_return_object() {
        return Child(std::coroutine_handle<promise_type>::from_promise(*this));
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      auto final_suspend() noexcept {
        struct Finish {
          bool await_ready() noexcept { return false; }
          void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
            Scope& scope = *self.promise().own.scope;
            scope.leave(self.promise().own);
            self.destroy();
            scope.child_left();
          }
          void await_resume() noexcept {}
        };
        return Finish{};
      }
      void return_void() {}
      [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    };

   private:
    friend class Scope;
    explicit Child(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
  };

 private:
  struct JoinAwaiter final : Operation {
    explicit JoinAwaiter(Scope& s) : scope(s) {}
    Scope& scope;
    Fiber* fiber = nullptr;
    std::coroutine_handle<> waiter;
    bool await_ready() const noexcept { return scope.empty(); }
    template <class P>
    void await_suspend(std::coroutine_handle<P> handle) {
      assert(scope.joiner_ == nullptr && "one joiner a scope");
      fiber = handle.promise().fiber;
      waiter = handle;
      scope.joiner_ = this;
      fiber->waiting_for = this;
      if (fiber->stopping) scope.request_stop();
    }
    void await_resume() noexcept {
      if (fiber != nullptr) fiber->waiting_for = nullptr;
    }
    void cancel() override { scope.request_stop(); }
  };

  template <class F, class... Args>
  static Child run_child(F function, Args... arguments) {
    co_await function(std::move(arguments)...);
  }

  void start(Child child);
  void leave(Fiber& fiber);
  void child_left();

  Fiber* first_ = nullptr;
  std::size_t size_ = 0;
  bool stopping_ = false;
  JoinAwaiter* joiner_ = nullptr;
};

}  // namespace culvert::io
