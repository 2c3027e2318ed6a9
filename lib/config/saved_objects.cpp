#include "culvert/config/saved_objects.hpp"

#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "culvert/base/state_file.hpp"
#include "kinds.hpp"

namespace culvert::config {
namespace {

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// kind, namespace, name, file, line, column, message.
constexpr std::size_t kFields = 7;

Result<ObjectPtr> decode_object(const std::array<std::string_view, kFields>& fields) {
  const auto kind = std::ranges::find(kinds(), fields[0], &Kind::key_kind);
  if (kind == kinds().end()) return fail(ErrorCode::kInvalid, "saved object of an unknown kind");
  const auto line = number(fields[4]);
  const auto column = number(fields[5]);
  std::shared_ptr<google::protobuf::Message> message = kind->make();
  if (!line || !column ||
      !message->ParseFromArray(fields[6].data(), static_cast<int>(fields[6].size()))) {
    return fail(ErrorCode::kInvalid, "saved object that is malformed");
  }
  Findings findings;
  kind->validate(*message, findings);
  if (findings.failed()) return fail(ErrorCode::kInvalid, "saved object that is not valid");
  auto object = std::make_shared<Object>();
  object->key = {std::string(fields[0]), std::string(fields[1]), std::string(fields[2])};
  object->place = {std::string(fields[3]), *line, *column};
  object->message = std::move(message);
  object->bytes = fields[6];
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

Result<std::vector<ParsedFile>> decode_objects(std::string_view content) {
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
    auto& file = files[(*object)->place.file];
    file.file = (*object)->place.file;
    file.objects.push_back(std::move(*object));
  }
  std::vector<ParsedFile> out;
  for (auto& [name, file] : files) out.push_back(std::move(file));
  return out;
}

}  // namespace culvert::config
