#include "culvert/http/fields.hpp"

#include <algorithm>
#include <limits>

#include "characters.hpp"

namespace culvert::http {
namespace {

constexpr std::size_t kMaxNameBytes = std::numeric_limits<std::uint16_t>::max();
constexpr std::size_t kMaxTextBytes = std::numeric_limits<std::uint32_t>::max();

}  // namespace

bool is_field_name(std::string_view name) {
  return name.size() <= kMaxNameBytes && (is_plain_name(name) || is_token(name));
}

bool is_field_value(std::string_view value) {
  if (!value.empty() && (is_space(value.front()) || is_space(value.back()))) return false;
  return is_text(value);
}

Fields::Place Fields::append(std::string_view name, std::string_view value) {
  const Place place{static_cast<std::uint32_t>(text_.size()),
                    static_cast<std::uint32_t>(text_.size() + name.size()),
                    static_cast<std::uint32_t>(value.size()),
                    static_cast<std::uint16_t>(name.size())};
  // They may be views of this very text, which must not move while they are read.
  if (text_.capacity() - text_.size() < name.size() + value.size()) {
    std::string larger;
    larger.reserve(2 * text_.size() + name.size() + value.size());
    larger.append(text_).append(name).append(value);
    text_ = std::move(larger);
  } else {
    text_.append(name).append(value);
  }
  return place;
}

bool Fields::add(std::string_view name, std::string_view value) {
  const bool plain = is_plain_name(name);
  if (name.size() > kMaxNameBytes || (!plain && !is_token(name))) return false;
  if (!is_field_value(value)) return false;
  if (text_.size() + name.size() + value.size() > kMaxTextBytes) return false;
  const Place place = append(name, value);
  places_.push_back(place);
  if (!plain) {  // `name` may be gone: it may have been in the old text
    const auto begin = text_.begin() + place.name_at;
    std::transform(begin, begin + place.name_bytes, begin, lower);
  }
  return true;
}

bool Fields::set(std::string_view name, std::string_view value) {
  if (!add(name, value)) return false;
  const Place added = places_.back();
  const auto same = [&](const Place& place) { return name_at(place) == name_at(added); };
  const auto first = std::ranges::find_if(places_, same);
  *first = added;
  places_.erase(std::remove_if(first + 1, places_.end(), same), places_.end());
  return true;
}

std::size_t Fields::remove(std::string_view name) {
  return remove_if([&](const Field& field) { return field.name == name; });
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
  for (const Place& place : places_) {
    if (place.name_bytes == name.size() && name_at(place) == name) return field_at(place).value;
  }
  return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(places_, [&](const Place& place) { return name_at(place) == name; }));
}

std::optional<std::string> Fields::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Field field : *this) {
    if (field.name != name) continue;
    if (all) {
      all->append(", ").append(field.value);
    } else {
      all = std::string(field.value);
    }
  }
  return all;
}

std::size_t Fields::bytes() const {
  std::size_t sum = 0;
  for (const Place& place : places_) sum += std::size_t{place.name_bytes} + place.value_bytes;
  return sum;
}

void Fields::clear() {
  text_.clear();
  places_.clear();
}

bool Fields::operator==(const Fields& other) const {
  if (size() != other.size()) return false;
  for (std::size_t i = 0; i < size(); ++i) {
    if ((*this)[i] != other[i]) return false;
  }
  return true;
}

}  // namespace culvert::http
