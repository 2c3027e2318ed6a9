// A question from a server's thread to a loop's thread.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>

#include "culvert/io/loop.hpp"

namespace culvert::ztunnel {

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

}  // namespace culvert::ztunnel
