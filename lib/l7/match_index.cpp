#include "match_index.hpp"

#include <algorithm>
#include <iterator>
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

bool MatchIndex::add_by_path(std::uint32_t position, const TextMatch& uri) {
  using Kind = TextMatch::Kind;
  const auto& text = uri.kind == Kind::kRegex ? uri.literal_prefix : uri.text;
  if (uri.kind == Kind::kPresent || (text.empty() && uri.kind != Kind::kExact)) return false;
  auto& side = uri.ignore_case ? folded_ : as_sent_;
  if (uri.kind == Kind::kExact) {
    side.exact[text].push_back(position);
  } else {
    side.prefixes.push_back({text, {position}, kNone});
  }
  return true;
}

/// By the first header that must be one text, if its name is among the few that are looked up.
bool MatchIndex::add_by_header(std::uint32_t position, const RequestMatch& match) {
  for (const auto& wanted : match.headers) {
    if (wanted.match.kind != TextMatch::Kind::kExact) continue;
    auto known = std::ranges::find(headers_, wanted.name, &Header::name);
    if (known == headers_.end()) {
      if (headers_.size() == Candidates::kMaxHeaders) continue;
      headers_.push_back(Header{wanted.name, {}, {}});
      known = std::prev(headers_.end());
    }
    known->by_value[wanted.match.text].push_back(position);
    known->all.push_back(position);
    return true;
  }
  return false;
}

void MatchIndex::add(std::uint32_t position, const RequestMatch* match) {
  if (match && match->uri && add_by_path(position, *match->uri)) return;
  if (match && add_by_header(position, *match)) return;
  always_.push_back(position);
}

void MatchIndex::finish() {
  as_sent_.finish();
  folded_.finish();
}

/// Sorted, a text begins right after the shorter texts that it begins with, so the parent of each
/// is on the stack of those that are still open.
void MatchIndex::Side::finish() {
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

std::span<const std::uint32_t> MatchIndex::Side::find_exact(std::string_view path) const {
  if (exact.empty()) return {};
  const auto found = exact.find(path);
  if (found == exact.end()) return {};
  return found->second;
}

/// The last text that is not above the path begins with every prefix of the path that there is.
std::span<const std::uint32_t> MatchIndex::Side::find_prefix(std::string_view path) const {
  const auto after = std::ranges::upper_bound(prefixes, path, {}, &Prefix::text);
  if (after == prefixes.begin()) return {};
  auto at = static_cast<std::size_t>(after - prefixes.begin()) - 1;
  while (at != kNone && !path.starts_with(prefixes[at].text)) at = prefixes[at].parent;
  if (at == kNone) return {};
  return prefixes[at].positions;
}

Candidates MatchIndex::find(const RequestView& request, std::string& storage) const {
  const auto path = request.path_without_query();
  Candidates candidates;
  candidates.add(always_);
  candidates.add(as_sent_.find_exact(path));
  candidates.add(as_sent_.find_prefix(path));
  if (!folded_.empty()) {
    storage = lower_case(path);
    candidates.add(folded_.find_exact(storage));
    candidates.add(folded_.find_prefix(storage));
  }
  for (const auto& header : headers_) {
    std::size_t values = 0;
    const Positions* found = nullptr;
    request.any_value(header.name, [&](std::string_view value) {
      const auto at = header.by_value.find(value);
      if (at != header.by_value.end()) found = &at->second;
      return ++values > 1;
    });
    if (values > 1) found = &header.all;
    if (found) candidates.add(*found);
  }
  return candidates;
}

}  // namespace culvert::l7
