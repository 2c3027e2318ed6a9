// The kinds of object that Culvert reads. Private to lib/config.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "findings.hpp"
#include "formats.hpp"

namespace google::protobuf {
class Message;
}

namespace culvert::config {

struct Kind {
  std::string_view name;
  std::string_view group;                  // "" for Kubernetes' core
  std::vector<std::string_view> versions;  // the preferred one first
  bool namespaced;
  api::Format name_format;
  std::unique_ptr<google::protobuf::Message> (*make)();
  void (*validate)(const google::protobuf::Message&, Findings&);  // beyond types and formats
  /// Of ObjectKey, where two groups have a kind of one name; else empty: `name`.
  std::string_view key = "";
  /// Moves values out of superseded fields, before `validate`; null where there are none.
  void (*move_superseded)(google::protobuf::Message&, Findings&) = nullptr;

  std::string_view key_kind() const { return key.empty() ? name : key; }
};

std::span<const Kind> kinds();

/// What an apiVersion and kind mean to us.
struct KindChoice {
  const Kind* kind = nullptr;  // null: not read
  bool error = false;          // a kind of ours under a version or group that it does not have
  std::string reason;          // when kind is null
  std::string suggestion;
};
KindChoice choose_kind(std::string_view api_version, std::string_view kind);

}  // namespace culvert::config
