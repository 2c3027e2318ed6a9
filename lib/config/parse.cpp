// One file: documents, kinds, messages, validation, diagnostics.
#include "culvert/config/parse.hpp"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>

#include "culvert/l7/wire_object.hpp"
#include "kinds.hpp"
#include "kubernetes.pb.h"
#include "message_reader.hpp"
#include "scalar.hpp"
#include "utf8.hpp"
#include "yaml_tree.hpp"

namespace culvert::config {
namespace {

using google::protobuf::Message;

std::string text_at(const YamlNode& node, std::string_view key) {
  const auto* child = node.find(key);
  return child && child->kind == YamlNode::Kind::kScalar ? child->text : "";
}

/// The name that the object gives itself, valid or not, so that errors and last good states find
/// it.
ObjectKey key_of(const YamlNode& node, const Kind& kind) {
  ObjectKey key;
  key.kind = kind.key_kind();
  const auto* metadata = node.find("metadata");
  if (!metadata) return key;
  key.name = text_at(*metadata, "name");
  if (kind.namespaced) {
    key.ns = text_at(*metadata, "namespace");
    if (key.ns.empty()) key.ns = "default";
  }
  return key;
}

/// Hosts or gateways of a VirtualService that is refused: a list, or the single text that people
/// write instead.
std::vector<std::string> texts_of(const YamlNode& node, const char* field) {
  std::vector<std::string> out;
  const auto* spec = node.find("spec");
  const auto* list = spec ? spec->find(field) : nullptr;
  if (!list) return out;
  if (list->kind == YamlNode::Kind::kScalar) out.push_back(list->text);
  for (const auto& item : list->items) {
    if (item->kind == YamlNode::Kind::kScalar) out.push_back(item->text);
  }
  return out;
}

/// Reads one file; holds what its documents share.
class FileParser {
 public:
  explicit FileParser(const std::string& file) { out_.file = file; }

  void parse(std::string_view text) {
    if (text.size() > kMaxFileBytes) return refuse_file({1, 1}, "larger than 4 MiB");
    if (auto line = first_invalid_utf8_line(text)) return refuse_file({*line, 1}, "is not UTF-8");
    for (const auto& chunk : split_documents(text)) {
      Findings findings;
      const auto document = parse_document(chunk, findings);
      if (!document.root || document.root->kind == YamlNode::Kind::kNull) {
        out_.complete = out_.complete && document.complete;
        report(findings, "");
        continue;
      }
      read_object(*document.root, findings, document.complete);
    }
  }

  ParsedFile take() { return std::move(out_); }

 private:
  void refuse_file(Mark mark, const char* reason) {
    Findings findings;
    findings.add(mark, "", reason);
    report(findings, "");
    out_.complete = false;
  }

  void report(const Findings& findings, const std::string& object) {
    for (const auto& p : findings.problems()) {
      Diagnostic d;
      d.severity = p.warning ? Diagnostic::Severity::kWarning : Diagnostic::Severity::kError;
      d.file = out_.file;
      d.line = p.mark.line;
      d.column = p.mark.column;
      d.object = object;
      d.field = p.field;
      d.reason = p.reason;
      d.suggestion = p.suggestion;
      out_.diagnostics.push_back(std::move(d));
    }
    if (findings.dropped() > 0) {
      const bool error = findings.dropped_error();
      Diagnostic d;
      d.severity = error ? Diagnostic::Severity::kError : Diagnostic::Severity::kWarning;
      d.file = out_.file;
      d.line = findings.problems().back().mark.line;
      d.object = object;
      d.reason = fmt::format("and {} more {}", findings.dropped(), error ? "problems" : "warnings");
      out_.diagnostics.push_back(std::move(d));
    }
  }

  void read_list(const YamlNode& node, Findings& findings, bool complete) {
    const auto* items = node.find("items");
    report(findings, "");
    out_.complete = out_.complete && complete;
    if (!items) return;
    for (const auto& item : items->items) {
      Findings own;
      read_object(*item, own, complete);
    }
  }

  void read_object(const YamlNode& node, Findings& findings, bool complete) {
    findings.place("", node.mark);
    if (node.kind != YamlNode::Kind::kMapping) {
      findings.add(node.mark, "", fmt::format("expected an object, got {}", describe(node)));
      out_.complete = false;
      return report(findings, "");
    }
    const auto version = text_at(node, "apiVersion");
    const auto name = text_at(node, "kind");
    if (version == "v1" && name == "List") return read_list(node, findings, complete);
    const auto choice = choose_kind(version, name);
    if (!choice.kind) return refuse_kind(node, choice, findings, complete);
    read_known(node, *choice.kind, findings, complete);
  }

  void refuse_kind(const YamlNode& node, const KindChoice& choice, Findings& findings,
                   bool complete) {
    for (const char* field : {"apiVersion", "kind"}) {
      if (text_at(node, field).empty()) findings.add(node.mark, field, "is required");
    }
    const bool unnamed = findings.failed();
    if (!unnamed && choice.error) {
      const auto* at = node.find("apiVersion");
      findings.add(at->mark, "apiVersion", choice.reason, choice.suggestion);
    } else if (!unnamed) {
      findings.warn("", choice.suggestion.empty() ? choice.reason
                                                  : fmt::format("{} (did you mean \"{}\"?)",
                                                                choice.reason, choice.suggestion));
    }
    // An object of ours under a wrong version keeps its last good state, like any bad one.
    if (findings.failed() || !complete) out_.complete = false;
    report(findings, "");
  }

  void read_known(const YamlNode& node, const Kind& kind, Findings& findings, bool complete) {
    auto key = key_of(node, kind);
    std::shared_ptr<Message> message = kind.make();
    read_message(node, *message, "", findings);
    check_metadata(node, kind, key, findings);
    if (!findings.failed() && kind.move_superseded) kind.move_superseded(*message, findings);
    if (!findings.failed()) kind.validate(*message, findings);
    if (out_.objects.size() + out_.refused.size() >= kMaxObjectsPerFile) {
      findings.add(node.mark, "", "more than 20000 objects in a file");
      complete = false;
    }
    const Place place{out_.file, node.mark.line, node.mark.column};
    report(findings, key.name.empty() ? key.kind : key.to_string());
    if (key.name.empty() || !complete) out_.complete = false;
    if (key.name.empty()) return;
    if (findings.failed() || !complete) {
      RefusedObject refused{std::move(key), place, {}, {}};
      if (refused.key.kind == "VirtualService") {
        refused.hosts = texts_of(node, "hosts");
        refused.gateways = texts_of(node, "gateways");
      } else if (refused.key.kind == "DestinationRule") {
        refused.hosts = texts_of(node, "host");
      }
      out_.refused.push_back(std::move(refused));
      return;
    }
    auto object = std::make_shared<Object>();
    object->key = std::move(key);
    object->place = place;
    object->bytes = l7::deterministic_bytes(*message);
    object->message = std::move(message);
    object->without_effect = findings.without_effect();
    out_.objects.push_back(std::move(object));
  }

  static void check_metadata(const YamlNode& node, const Kind& kind, const ObjectKey& key,
                             Findings& findings) {
    const auto* metadata = node.find("metadata");
    if (!metadata || key.name.empty()) {
      const auto mark = metadata ? metadata->mark : node.mark;
      return findings.add(mark, "metadata.name", "is required");
    }
    if (auto reason = check_format(kind.name_format, key.name)) {
      findings.add("metadata.name", *reason);
    }
    if (!kind.namespaced && !text_at(*metadata, "namespace").empty()) {
      findings.add("metadata.namespace", fmt::format("a {} has no namespace", kind.name));
    }
    if (const auto* labels = metadata->find("labels")) {
      for (const auto& label : labels->entries) {
        if (!is_label_key(label.key)) {
          findings.add(label.mark, fmt::format("metadata.labels[\"{}\"]", label.key),
                       "is not a label name");
        }
      }
    }
  }

  ParsedFile out_;
};

}  // namespace

ParsedFile parse_file(const std::string& file, std::string_view text) {
  FileParser parser(file);
  parser.parse(text);
  return parser.take();
}

}  // namespace culvert::config
