// Fields: the header or trailer fields of one message, in order, whatever HTTP version carries
// them. A plain value, used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::http {

struct Field {
  std::string_view name;
  std::string_view value;
  bool operator==(const Field&) const = default;
};

/// All text stands in one string, so that a head costs two allocations and none when it is used
/// again. What is in here can be sent in any version: names are tokens in lower case (RFC 9110
/// section 5.1: they have no case, HTTP/2 wants it so), values have no controls but HTAB, and no
/// space at their ends (section 5.5).
class Fields {
 public:
  /// Appends; an upper-case name is lowered. False, and nothing changes, for a name or value that
  /// is not as above, or longer than 65,535 and 2^32 - 1 bytes.
  bool add(std::string_view name, std::string_view value);
  /// Replaces all fields of that name by one, where the first was, or at the end.
  bool set(std::string_view name, std::string_view value);
  /// Returns how many fields of that name went. `name` in lower case.
  std::size_t remove(std::string_view name);
  /// Returns how many fields went of those for which `doomed(field)` is true.
  template <class Doomed>
  std::size_t remove_if(Doomed doomed) {
    return std::erase_if(places_, [&](const Place& place) { return doomed(field_at(place)); });
  }

  /// The first value of that name (in lower case). Views die when the Fields change.
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  /// All values of that name, joined by ", " (RFC 9110 section 5.3); nullopt when there is none.
  std::optional<std::string> joined(std::string_view name) const;

  /// Room for `fields` with `bytes` of names and values together.
  void reserve(std::size_t fields, std::size_t bytes) {
    places_.reserve(fields);
    text_.reserve(bytes);
  }
  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  Field operator[](std::size_t index) const { return field_at(places_[index]); }
  /// Names and values together.
  std::size_t bytes() const;
  /// Keeps the memory for the next message.
  void clear();
  /// The same fields with the same values in the same order.
  bool operator==(const Fields& other) const;

  class Iterator {
   public:
    Iterator(const Fields* all, std::size_t at) : all_(all), at_(at) {}
    Field operator*() const { return (*all_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Fields* all_;
    std::size_t at_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  friend class FieldLines;  // reads HTTP/1.1's lines in place (lib/http/field_lines.cpp)

  struct Place {
    std::uint32_t name_at;
    std::uint32_t value_at;
    std::uint32_t value_bytes;
    std::uint16_t name_bytes;
  };
  std::string_view name_at(const Place& place) const {
    return {text_.data() + place.name_at, place.name_bytes};
  }
  Field field_at(const Place& place) const {
    return {name_at(place), {text_.data() + place.value_at, place.value_bytes}};
  }
  /// Where the checked field now stands in text_.
  Place append(std::string_view name, std::string_view value);

  std::string text_;
  std::vector<Place> places_;
};

/// Whether every HTTP version can carry it.
bool is_field_name(std::string_view name);
bool is_field_value(std::string_view value);

}  // namespace culvert::http
