#include "culvert/config/saved_objects.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "culvert/base/state_file.hpp"
#include "culvert/l7/wire_object.hpp"
#include "field_rules.pb.h"
#include "kinds.hpp"

namespace culvert::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

bool holds(const std::string& text, const api::Rule& rule) {
  if (text.empty() && !rule.required()) return true;
  const bool listed =
      rule.one_of_size() == 0 || std::ranges::find(rule.one_of(), text) != rule.one_of().end();
  return listed && !check_format(rule.format(), text);
}

bool holds(const Message& message, const FieldDescriptor& field, int index, const api::Rule& rule);

// What the reader of texts checks while it reads. Each value by the rule of its field.
bool follows_rules(const Message& message, const api::Rule* of_map = nullptr) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(message, &present);
  return std::ranges::all_of(present, [&](const FieldDescriptor* field) {
    const auto& own = field->options().GetExtension(api::rule);
    const auto& rule = of_map != nullptr && field->name() == "value" ? *of_map : own;
    if (!field->is_repeated()) return holds(message, *field, -1, rule);
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (!holds(message, *field, i, rule)) return false;
    }
    return true;
  });
}

// One value; `index` is -1 where there is only one.
bool holds(const Message& message, const FieldDescriptor& field, int index, const api::Rule& rule) {
  const auto& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const auto& inner = one ? reflection.GetMessage(message, &field)
                              : reflection.GetRepeatedMessage(message, &field, index);
      return follows_rules(inner, field.is_map() ? &rule : nullptr);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return holds(one ? reflection.GetString(message, &field)
                       : reflection.GetRepeatedString(message, &field, index),
                   rule);
    case FieldDescriptor::CPPTYPE_INT32: {
      const auto value = one ? reflection.GetInt32(message, &field)
                             : reflection.GetRepeatedInt32(message, &field, index);
      return (value == 0 && !rule.required()) ||
             !check_format(rule.format(), std::to_string(value));
    }
    default:
      return true;
  }
}

// kind, namespace, name, file, line, column, message.
constexpr std::size_t kFields = 7;

// Null: this build does not take it any more.
Result<ObjectPtr> decode_object(const std::array<std::string_view, kFields>& fields) {
  const auto kind = std::ranges::find(kinds(), fields[0], &Kind::key_kind);
  if (kind == kinds().end()) return fail(ErrorCode::kInvalid, "saved object of an unknown kind");
  const auto line = number(fields[4]);
  const auto column = number(fields[5]);
  std::shared_ptr<Message> message = kind->make();
  if (!line || !column ||
      !message->ParseFromArray(fields[6].data(), static_cast<int>(fields[6].size()))) {
    return fail(ErrorCode::kInvalid, "saved object that is malformed");
  }
  Findings findings;
  if (kind->move_superseded) kind->move_superseded(*message, findings);
  if (!follows_rules(*message)) return ObjectPtr();
  kind->validate(*message, findings);
  if (findings.failed()) return ObjectPtr();
  auto object = std::make_shared<Object>();
  object->key = {std::string(fields[0]), std::string(fields[1]), std::string(fields[2])};
  object->place = {std::string(fields[3]), *line, *column};
  object->bytes = l7::deterministic_bytes(*message);
  object->message = std::move(message);
  object->without_effect = findings.without_effect();
  return object;
}

}  // namespace

std::string encode_objects(const ObjectMap& objects) {
  std::string out;
  for (const auto& [key, object] : objects) {
    const auto& place = object->place;
    append_text(out, key.kind);
    append_text(out, key.ns);
    append_text(out, key.name);
    append_text(out, place.file);
    append_text(out, std::to_string(place.line));
    append_text(out, std::to_string(place.column));
    append_text(out, object->bytes);
  }
  return out;
}

Result<std::vector<ParsedFile>> decode_objects(std::string_view content,
                                               std::vector<std::string>* given_up) {
  std::map<std::string, ParsedFile> files;
  while (!content.empty()) {
    std::array<std::string_view, kFields> fields;
    for (auto& field : fields) {
      const auto text = take_text(content);
      if (!text) return fail(ErrorCode::kInvalid, "saved objects that are cut");
      field = *text;
    }
    auto object = decode_object(fields);
    if (!object) return std::unexpected(object.error());
    if (*object == nullptr) {
      if (given_up != nullptr) {
        given_up->push_back(fmt::format("{} {}/{}", fields[0], fields[1], fields[2]));
      }
      continue;
    }
    auto& file = files[(*object)->place.file];
    file.file = (*object)->place.file;
    file.objects.push_back(std::move(*object));
  }
  std::vector<ParsedFile> out;
  for (auto& [name, file] : files) out.push_back(std::move(file));
  return out;
}

}  // namespace culvert::config
