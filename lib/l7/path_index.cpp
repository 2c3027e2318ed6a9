#include "path_index.hpp"

#include <algorithm>
#include <tuple>

#include "read.hpp"

namespace culvert::l7 {

std::uint32_t Candidates::next() {
  std::size_t best = count_;
  for (std::size_t i = 0; i < count_; ++i) {
    if (best == count_ || lists_[i].front() < lists_[best].front()) best = i;
  }
  if (best == count_) return kEnd;
  const auto position = lists_[best].front();
  lists_[best] = lists_[best].subspan(1);
  if (lists_[best].empty()) lists_[best] = lists_[--count_];
  return position;
}

void PathIndex::add(std::uint32_t position, const TextMatch* uri) {
  using Kind = TextMatch::Kind;
  auto text = uri ? uri->text : std::string();
  if (uri && uri->kind == Kind::kRegex) text = uri->regex->literal_prefix();
  if (!uri || uri->kind == Kind::kPresent || (text.empty() && uri->kind != Kind::kExact)) {
    always_.push_back(position);
    return;
  }
  auto& side = uri->ignore_case ? folded_ : as_sent_;
  if (uri->kind == Kind::kExact) {
    side.exact[text].push_back(position);
  } else {
    side.prefixes.push_back({std::move(text), {position}, kNone});
  }
}

void PathIndex::finish() {
  as_sent_.finish();
  folded_.finish();
}

/// Sorted, a text begins right after the shorter texts that it begins with, so the parent of each
/// is on the stack of those that are still open.
void PathIndex::Side::finish() {
  std::ranges::sort(prefixes, [](const Prefix& a, const Prefix& b) {
    return std::tie(a.text, a.positions[0]) < std::tie(b.text, b.positions[0]);
  });
  std::vector<Prefix> merged;
  for (auto& one : prefixes) {
    if (!merged.empty() && merged.back().text == one.text) {
      merged.back().positions.push_back(one.positions[0]);
    } else {
      merged.push_back(std::move(one));
    }
  }
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    auto& own = merged[i];
    while (!open.empty() && !own.text.starts_with(merged[open.back()].text)) open.pop_back();
    if (!open.empty()) {
      own.parent = open.back();
      const auto& above = merged[own.parent].positions;
      Positions all;
      std::ranges::merge(own.positions, above, std::back_inserter(all));
      own.positions = std::move(all);
    }
    open.push_back(i);
  }
  prefixes = std::move(merged);
}

std::span<const std::uint32_t> PathIndex::Side::find_exact(std::string_view path) const {
  if (exact.empty()) return {};
  const auto found = exact.find(path);
  if (found == exact.end()) return {};
  return found->second;
}

/// The last text that is not above the path begins with every prefix of the path that there is.
std::span<const std::uint32_t> PathIndex::Side::find_prefix(std::string_view path) const {
  const auto after = std::ranges::upper_bound(prefixes, path, {}, &Prefix::text);
  if (after == prefixes.begin()) return {};
  auto at = static_cast<std::size_t>(after - prefixes.begin()) - 1;
  while (at != kNone && !path.starts_with(prefixes[at].text)) at = prefixes[at].parent;
  if (at == kNone) return {};
  return prefixes[at].positions;
}

Candidates PathIndex::find(std::string_view path, std::string& folded) const {
  Candidates candidates;
  candidates.add(always_);
  candidates.add(as_sent_.find_exact(path));
  candidates.add(as_sent_.find_prefix(path));
  if (!folded_.empty()) {
    folded = lower_case(path);
    candidates.add(folded_.find_exact(folded));
    candidates.add(folded_.find_prefix(folded));
  }
  return candidates;
}

}  // namespace culvert::l7
