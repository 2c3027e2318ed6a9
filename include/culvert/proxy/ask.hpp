// Questions from a server's thread to the loops' threads.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "culvert/io/loop.hpp"

namespace culvert::proxy {

inline constexpr auto kAnswerTimeout = std::chrono::seconds(2);

/// Runs `question` on the loop and waits for its answer; nullopt when the loop does not get to it.
template <class Question>
auto ask(io::Loop& loop, Question question) -> std::optional<decltype(question())> {
  auto promise = std::make_shared<std::promise<decltype(question())>>();
  auto future = promise->get_future();
  loop.post([promise, question = std::move(question)] { promise->set_value(question()); });
  if (future.wait_for(kAnswerTimeout) != std::future_status::ready) return std::nullopt;
  return future.get();
}

/// Asks every worker (which has post()) and waits for all of their answers; nullopt when one does
/// not get to it. A question that comes too late is still asked: what it hands over elsewhere is
/// not lost.
template <class Worker, class Question>
auto ask_workers(const std::vector<std::unique_ptr<Worker>>& workers, Question question)
    -> std::optional<std::vector<decltype(question(std::declval<Worker&>()))>> {
  using Answer = decltype(question(std::declval<Worker&>()));
  std::vector<std::future<Answer>> waiting;
  for (const auto& worker : workers) {
    auto promise = std::make_shared<std::promise<Answer>>();
    waiting.push_back(promise->get_future());
    worker->post([promise, question](Worker& self) { promise->set_value(question(self)); });
  }
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  std::vector<Answer> out;
  for (auto& future : waiting) {
    if (future.wait_until(deadline) != std::future_status::ready) return std::nullopt;
    out.push_back(future.get());
  }
  return out;
}

}  // namespace culvert::proxy
