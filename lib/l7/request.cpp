#include "culvert/l7/request.hpp"

namespace culvert::l7 {

std::optional<std::string_view> RequestView::header(std::string_view name,
                                                    std::string& storage) const {
  if (name.starts_with(':')) {
    if (name == ":method") return method;
    if (name == ":path") return path;
    if (name == ":authority") return authority;
    if (name == ":scheme") return scheme;
    return std::nullopt;
  }
  if (name == "host") return authority;
  std::optional<std::string_view> found;
  for (const auto& field : headers) {
    if (field.name != name) continue;
    if (!found) {
      found = field.value;
      continue;
    }
    if (found->data() != storage.data()) storage = *found;
    storage.append(name == "cookie" ? "; " : ",").append(field.value);
    found = storage;
  }
  return found;
}

}  // namespace culvert::l7
