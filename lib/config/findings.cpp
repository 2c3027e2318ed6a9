// Collects the problems of one document.
#include "findings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::config {

void Findings::keep(Problem problem) {
  failed_ = failed_ || !problem.warning;
  if (problems_.size() == kMaxProblems) {
    ++dropped_;
    const auto last = problem.warning ? problems_.rend()
                                      : std::ranges::find_if(problems_.rbegin(), problems_.rend(),
                                                             &Problem::warning);
    if (last == problems_.rend()) {
      dropped_error_ = dropped_error_ || !problem.warning;
      return;
    }
    problems_.erase(std::next(last).base());
  }
  problems_.push_back(std::move(problem));
}

void Findings::add(Mark mark, std::string field, std::string reason, std::string suggestion) {
  keep({mark, std::move(field), std::move(reason), std::move(suggestion), false});
}

void Findings::add(const std::string& field, std::string reason, std::string suggestion) {
  add(find(field), field, std::move(reason), std::move(suggestion));
}

void Findings::warn(const std::string& field, std::string reason) {
  keep({find(field), field, std::move(reason), "", true});
}

void Findings::warn_without_effect(const std::string& field, const std::string& why) {
  if (problems_.size() < kMaxProblems) without_effect_.push_back(fmt::format("{}: {}", field, why));
  warn(field, fmt::format("has no effect: {}", why));
}

Mark Findings::find(std::string_view field) const {
  while (!field.empty()) {
    if (auto it = places_.find(std::string(field)); it != places_.end()) return it->second;
    const auto cut = field.find_last_of(".[");
    field = cut == std::string_view::npos ? std::string_view() : field.substr(0, cut);
  }
  auto root = places_.find("");
  return root == places_.end() ? Mark{} : root->second;
}

}  // namespace culvert::config
