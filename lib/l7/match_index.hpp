// Which of many matches can hold for a request: exact paths by hash, prefixes (and the literal
// beginnings of patterns) by the longest that fits, and what says nothing of the path by a header
// that must have one value. What it leaves out cannot match; what it names must still be asked.
// Immutable once built. Private to lib/l7.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/l7/match.hpp"

namespace culvert::l7 {

/// Positions in ascending order, from several ascending lists at once.
class Candidates {
 public:
  static constexpr std::size_t kMaxHeaders = 4;  // names that are looked up for each request
  static constexpr std::size_t kMaxLists = 5 + kMaxHeaders;
  static constexpr std::uint32_t kEnd = UINT32_MAX;

  void add(std::span<const std::uint32_t> list) {
    if (!list.empty()) lists_[count_++] = list;
  }
  /// The next position, or kEnd. No position is in two lists.
  std::uint32_t next();

 private:
  std::array<std::span<const std::uint32_t>, kMaxLists> lists_;
  std::size_t count_ = 0;
};

class MatchIndex {
 public:
  /// Positions are added in ascending order; a null match takes every request.
  void add(std::uint32_t position, const RequestMatch* match);
  /// After the last add.
  void finish();
  /// `storage` holds what had to be copied, until the next call.
  Candidates find(const RequestView& request, std::string& storage) const;

 private:
  using Positions = std::vector<std::uint32_t>;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  struct Prefix {
    std::string text;
    Positions positions;         // of this prefix and of all that it begins with
    std::size_t parent = kNone;  // the longest other one that it begins with
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Side {
    std::unordered_map<std::string, Positions, TextHash, std::equal_to<>> exact;
    std::vector<Prefix> prefixes;  // sorted by text once finished
    void finish();
    std::span<const std::uint32_t> find_exact(std::string_view path) const;
    std::span<const std::uint32_t> find_prefix(std::string_view path) const;
    bool empty() const { return exact.empty() && prefixes.empty(); }
  };

  using ByText = std::unordered_map<std::string, Positions, TextHash, std::equal_to<>>;
  struct Header {
    std::string name;
    ByText by_value;
    Positions all;  // for a request that has the header several times
  };
  bool add_by_path(std::uint32_t position, const TextMatch& uri);
  bool add_by_header(std::uint32_t position, const RequestMatch& match);

  Side as_sent_, folded_;
  std::vector<Header> headers_;
  Positions always_;
};

}  // namespace culvert::l7
