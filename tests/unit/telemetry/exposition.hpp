// A strict reader of Prometheus text 0.0.4, for tests: counters with integer values only.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace culvert::test {

using Labels = std::map<std::string, std::string>;
using Samples = std::map<std::string, std::map<Labels, std::uint64_t>>;  // by family

class ExpositionReader {
 public:
  static Samples read(std::string_view text) {
    ExpositionReader reader;
    while (!text.empty()) {
      const auto end = text.find('\n');
      if (end == std::string_view::npos) FAIL("the last line has no newline");
      reader.line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    return reader.samples_;
  }

 private:
  static bool is_name(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
           std::string_view::npos;
  }

  void line(std::string_view text) {
    INFO(std::string(text));
    if (text.starts_with("# HELP ")) {
      family_ = text.substr(7, text.find(' ', 7) - 7);
      REQUIRE(is_name(family_));
      REQUIRE(families_.insert(family_).second);  // a family comes once
      typed_ = false;
      return;
    }
    if (text.starts_with("# TYPE ")) {
      const bool summary = text == "# TYPE " + family_ + " summary";
      REQUIRE((text == "# TYPE " + family_ + " counter" || text == "# TYPE " + family_ + " gauge" ||
               summary));
      typed_ = true;
      if (!summary) samples_[family_];
      return;
    }
    REQUIRE(typed_);
    REQUIRE(text.starts_with(family_));
    text.remove_prefix(family_.size());
    Labels labels;
    if (text.starts_with('{')) labels = read_labels(text);
    REQUIRE(text.starts_with(' '));
    text.remove_prefix(1);
    REQUIRE_FALSE(text.empty());
    REQUIRE(text.find_first_not_of("0123456789") == std::string_view::npos);
    REQUIRE(samples_[family_].emplace(labels, std::stoull(std::string(text))).second);
  }

  static Labels read_labels(std::string_view& text) {
    Labels labels;
    do {
      text.remove_prefix(1);  // '{' or ','
      const auto equals = text.find('=');
      const std::string name(text.substr(0, equals));
      REQUIRE(is_name(name));
      text.remove_prefix(equals + 1);
      REQUIRE(text.starts_with('"'));
      text.remove_prefix(1);
      std::string value;
      while (!text.starts_with('"')) {
        REQUIRE_FALSE(text.empty());
        char c = text.front();
        text.remove_prefix(1);
        REQUIRE((c >= ' ' && c <= '~'));
        if (c == '\\') {
          REQUIRE_FALSE(text.empty());
          REQUIRE((text[0] == '\\' || text[0] == '"' || text[0] == 'n'));
          c = text[0] == 'n' ? '\n' : text[0];
          text.remove_prefix(1);
        }
        value += c;
      }
      text.remove_prefix(1);
      REQUIRE(labels.emplace(name, value).second);
    } while (text.starts_with(','));
    REQUIRE(text.starts_with('}'));
    text.remove_prefix(1);
    return labels;
  }

  std::string family_;
  bool typed_ = false;
  std::set<std::string> families_;
  Samples samples_;
};

}  // namespace culvert::test
