// The only user of libyaml: its event parser, with our tree, limits and duplicate check on top.
#include "yaml_tree.hpp"

#include <yaml.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>
#include <unordered_set>

namespace culvert::config {
namespace {

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";
constexpr const char* kTooDeep = "nested deeper than 64 levels";
constexpr const char* kOddKey = "a key that is not a scalar";

std::string text_of(const yaml_char_t* text) {
  return text ? reinterpret_cast<const char*>(text) : "";
}

bool is_null(std::string_view plain) {
  return plain.empty() || plain == "~" || plain == "null" || plain == "Null" || plain == "NULL";
}

/// Builds the tree from events. After a limit is hit it ignores the rest.
class TreeBuilder {
 public:
  TreeBuilder(int first_line, Findings& findings) : line_offset_(first_line), findings_(findings) {}

  void take(const yaml_event_t& event) {
    if (stopped_) return;
    const auto mark = at(event.start_mark);
    switch (event.type) {
      case YAML_ALIAS_EVENT:
        return alias(text_of(event.data.alias.anchor), mark);
      case YAML_SCALAR_EVENT:
        return scalar(event, mark);
      case YAML_SEQUENCE_START_EVENT:
        return open(YamlNode::Kind::kSequence, mark, text_of(event.data.sequence_start.tag),
                    text_of(event.data.sequence_start.anchor));
      case YAML_MAPPING_START_EVENT:
        return open(YamlNode::Kind::kMapping, mark, text_of(event.data.mapping_start.tag),
                    text_of(event.data.mapping_start.anchor));
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close();
      default:
        return;
    }
  }

  Mark at(const yaml_mark_t& mark) const {
    return {static_cast<int>(mark.line) + line_offset_, static_cast<int>(mark.column) + 1};
  }
  bool stopped() const { return stopped_; }
  /// The whole tree, or after a syntax error what was open by then.
  YamlNodePtr finish_all() {
    while (!open_.empty()) close();
    return root_;
  }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    std::string anchor;
    std::unordered_set<std::string> keys;  // of a mapping
    bool has_key = false;                  // the next value belongs to `key`
    std::string key;
    Mark key_mark;
  };

  static std::shared_ptr<YamlNode> make(YamlNode::Kind kind, Mark mark) {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->mark = mark;
    return node;
  }

  void stop(Mark mark, const char* reason) {
    if (!stopped_) findings_.add(mark, "", reason);
    stopped_ = true;
  }

  void alias(const std::string& anchor, Mark mark) {
    if (++aliases_ > kMaxAliases) return stop(mark, "more than 100 aliases");
    auto it = anchors_.find(anchor);
    // A node is known once it is finished, so that none can contain itself.
    if (it == anchors_.end()) return stop(mark, "an alias without an anchor before it");
    attach(it->second, mark);
  }

  void scalar(const yaml_event_t& event, Mark mark) {
    const auto& s = event.data.scalar;
    const auto tag = text_of(s.tag);
    std::string text(reinterpret_cast<const char*>(s.value), s.length);
    const bool plain = s.style == YAML_PLAIN_SCALAR_STYLE && tag.empty();
    const bool null = plain && is_null(text);
    auto node = make(null ? YamlNode::Kind::kNull : YamlNode::Kind::kScalar, mark);
    node->text = std::move(text);
    node->plain = plain;
    refuse_tag(mark, tag == kStringTag ? "" : tag);
    finish(node, text_of(s.anchor));
  }

  void refuse_tag(Mark mark, const std::string& tag) {
    if (!tag.empty() && tag != "!") {
      findings_.add(mark, "", "the tag " + tag + " is not supported");
    }
  }

  void open(YamlNode::Kind kind, Mark mark, const std::string& tag, std::string anchor) {
    if (open_.size() >= kMaxDepth) return stop(mark, kTooDeep);
    refuse_tag(mark, tag);
    if (!open_.empty() && awaits_key()) return stop(mark, kOddKey);
    open_.push_back({make(kind, mark), std::move(anchor), {}, false, {}, {}});
  }

  bool awaits_key() const {
    return open_.back().node->kind == YamlNode::Kind::kMapping && !open_.back().has_key;
  }

  void close() {
    if (open_.empty()) return;
    auto top = std::move(open_.back());
    open_.pop_back();
    finish(top.node, top.anchor);
  }

  void finish(const std::shared_ptr<YamlNode>& node, const std::string& anchor) {
    if (!anchor.empty()) anchors_[anchor] = node;
    attach(node, node->mark);
  }

  void attach(const YamlNodePtr& node, Mark mark) {
    if (open_.empty()) {
      root_ = node;
      return;
    }
    auto& top = open_.back();
    if (awaits_key()) return take_key(top, *node, mark);
    top.node->weight += node->weight;
    top.node->depth = std::max(top.node->depth, node->depth + 1);
    if (top.node->weight > kMaxNodes) return stop(mark, "more than 200000 values");
    if (open_.size() + node->depth > kMaxDepth + 1) return stop(mark, kTooDeep);
    if (top.node->kind == YamlNode::Kind::kSequence) {
      top.node->items.push_back(node);
    } else {
      top.has_key = false;
      top.node->entries.push_back({std::move(top.key), top.key_mark, node});
    }
  }

  void take_key(Open& top, const YamlNode& key, Mark mark) {
    if (key.kind != YamlNode::Kind::kScalar) return stop(mark, kOddKey);
    if (key.plain && key.text == "<<") findings_.add(mark, "", "merge keys are not supported");
    if (!top.keys.insert(key.text).second) {
      const auto* first = top.node->find(key.text);
      findings_.add(mark, "",
                    "duplicate key \"" + key.text + "\", first on line " +
                        std::to_string(first ? first->mark.line : mark.line));
    }
    top.key = key.text;
    top.key_mark = mark;
    top.has_key = true;
  }

  int line_offset_;
  Findings& findings_;
  std::vector<Open> open_;
  std::map<std::string, YamlNodePtr> anchors_;
  YamlNodePtr root_;
  std::size_t aliases_ = 0;
  bool stopped_ = false;
};

bool is_marker(std::string_view line, std::string_view marker) {
  if (!line.starts_with(marker)) return false;
  return line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r';
}

bool has_content(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string::npos && line[first] != '#' && !is_marker(line, "---")) return true;
    if (is_marker(line, "---") && line.find_first_not_of(" \t\r#", 3) != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  auto it = std::ranges::find(entries, key, &YamlEntry::key);
  return it == entries.end() ? nullptr : it->value.get();
}

std::vector<YamlChunk> split_documents(std::string_view text) {
  std::vector<YamlChunk> chunks;
  YamlChunk current;
  const auto finish = [&](int next_line) {
    if (has_content(current.text)) chunks.push_back(std::move(current));
    current = {"", next_line};
  };
  for (int line = 1; !text.empty(); ++line) {
    const auto end = text.find('\n');
    const auto whole = text.substr(0, end == std::string_view::npos ? end : end + 1);
    const auto bare = text.substr(0, end);
    text.remove_prefix(whole.size());
    if (is_marker(bare, "...")) {
      finish(line + 1);
      continue;
    }
    if (is_marker(bare, "---")) finish(line);
    // A directive stands before its "---" and would be a document of its own here.
    const bool directive = bare.starts_with('%') && !has_content(current.text);
    current.text += directive ? std::string_view("\n") : whole;
  }
  finish(0);
  return chunks;
}

YamlDocument parse_document(const YamlChunk& chunk, Findings& findings) {
  TreeBuilder builder(chunk.first_line, findings);
  YamlDocument document;
  yaml_parser_t parser;
  if (yaml_parser_initialize(&parser) == 0) std::abort();  // out of memory
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(chunk.text.data()),
                               chunk.text.size());
  bool ended = false;
  while (!ended && !builder.stopped()) {
    yaml_event_t event;
    if (yaml_parser_parse(&parser, &event) == 0) {
      findings.add(builder.at(parser.problem_mark), "",
                   std::string("malformed YAML: ") + (parser.problem ? parser.problem : "unknown"));
      break;
    }
    builder.take(event);
    ended = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  document.complete = ended && !builder.stopped();
  document.root = builder.finish_all();
  return document;
}

}  // namespace culvert::config
