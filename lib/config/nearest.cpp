#include "culvert/config/nearest.hpp"

#include <algorithm>
#include <cctype>

namespace culvert::config {
namespace {

constexpr std::size_t kMaxCompared = 64;  // longer names are not compared

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

/// Edits, where swapping two neighbours is one (restricted Damerau-Levenshtein).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view text, const std::vector<std::string>& candidates) {
  if (text.empty() || text.size() > kMaxCompared) return "";
  const auto wanted = lowered(text);
  const auto allowed = std::max<std::size_t>(text.size() / 3, text.size() > 3 ? 2 : 1);
  std::string best;
  auto best_distance = allowed + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > kMaxCompared) continue;
    const auto edits = distance(wanted, lowered(candidate));
    if (edits < best_distance) {
      best_distance = edits;
      best = candidate;
    }
  }
  return best;
}

}  // namespace culvert::config
