// What went wrong in the agent, for the operator: what, and what to do next.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "culvert/base/error.hpp"

namespace culvert::agent {

struct Problem {
  std::string what;  // "enrol netns 4711: attach sk_lookup: EPERM"
  std::string next;  // "run as root"; empty when there is nothing better than to read `what`
};
template <class T>
using Outcome = std::expected<T, Problem>;

inline std::unexpected<Problem> problem(std::string what, std::string next = {}) {
  return std::unexpected(Problem{std::move(what), std::move(next)});
}
/// Wraps a library error: "`doing`: text of the error".
inline std::unexpected<Problem> problem(const std::string& doing, const Error& error,
                                        std::string next = {}) {
  return problem(doing + ": " + error.to_string(), std::move(next));
}

}  // namespace culvert::agent
