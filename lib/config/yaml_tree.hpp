// YAML text as a tree that remembers where everything stood. Private to lib/config; the parser
// behind it (docs/decisions/0007-yaml.md) appears in yaml_tree.cpp only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "findings.hpp"

namespace culvert::config {

struct YamlNode;
using YamlNodePtr = std::shared_ptr<const YamlNode>;  // shared by anchors and their aliases

struct YamlEntry {
  std::string key;
  Mark mark;  // the key's
  YamlNodePtr value;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;    // kScalar
  bool plain = false;  // kScalar: written without quotes, so it may be a number or boolean
  std::vector<YamlNodePtr> items;  // kSequence
  std::vector<YamlEntry> entries;  // kMapping; keys are unique
  std::size_t weight = 1;          // nodes in here, aliases counted in full
  std::size_t depth = 1;           // levels in here, aliases counted in full

  const YamlNode* find(std::string_view key) const;
};

/// Limits of one document. Anything beyond is a problem, and the document is not read further.
inline constexpr std::size_t kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 200'000;
inline constexpr std::size_t kMaxAliases = 100;

struct YamlDocument {
  YamlNodePtr root;       // what could be read; null when there is nothing but comments
  bool complete = false;  // false: a syntax error or limit cut it short
};

/// The lines [first, ...) of one document inside a file; `first_line` counts from 1.
struct YamlChunk {
  std::string text;
  int first_line = 1;
};
/// Splits at document markers, which YAML allows nowhere else (YAML 1.2, section 9.1.2), so that an
/// error in one document leaves the others readable.
std::vector<YamlChunk> split_documents(std::string_view text);

/// Parses one chunk. Problems (syntax, duplicate keys, tags, merge keys, limits) go to `findings`.
YamlDocument parse_document(const YamlChunk& chunk, Findings& findings);

}  // namespace culvert::config
