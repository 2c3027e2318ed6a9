// What went wrong with a lab, in words for the person at the terminal, and what to do next.
#pragma once

#include <expected>
#include <string>

namespace culvert::lab {

struct Problem {
  std::string text;  // "pod shop/web is not ready after 60 s"
  std::string next;  // "see culvert lab logs shop/web"; empty when the text says it
};

/// What control says about an object of the configuration.
struct Note {
  std::string text;    // "shop.yaml:12:5: AuthorizationPolicy shop/x: spec.rulez: unknown field"
  bool error = false;  // the object is refused; what was in force before still is
};

template <class T>
using Outcome = std::expected<T, Problem>;

inline std::unexpected<Problem> problem(std::string text, std::string next = {}) {
  return std::unexpected(Problem{std::move(text), std::move(next)});
}
/// "TEXT: No such file or directory".
std::unexpected<Problem> system_problem(const std::string& text, int sys_errno,
                                        std::string next = {});

}  // namespace culvert::lab
