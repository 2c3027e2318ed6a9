// Eight bytes at once say what each of them would.
#include "culvert/base/byte_words.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace culvert;

TEST_CASE("a word says of each byte, at each place, what the byte alone says") {
  for (int value = 0; value < 256; ++value) {
    const auto byte = static_cast<std::uint8_t>(value);
    for (unsigned place = 0; place < kByteWordBytes; ++place) {
      const std::uint64_t around = each_byte('m') & ~(std::uint64_t{0xff} << 8 * place);
      const std::uint64_t word = around | std::uint64_t{byte} << 8 * place;
      CHECK((has_byte(word, '"') != 0) == (byte == '"'));
      CHECK((has_byte(word, 0x7f) != 0) == (byte == 0x7f));
      CHECK((has_less(word, ' ') != 0) == (byte < ' '));
      CHECK((has_high(word) != 0) == (byte >= 128));
      CHECK((has_between(word, 'A' - 1, 'Z' + 1) != 0) == (byte >= 'A' && byte <= 'Z'));
      CHECK((has_between(word, 0x7e, 0x80) != 0) == (byte == 0x7f));
    }
  }
}

TEST_CASE("neighbours do not hide or make each other") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::uint64_t word = (each_byte('m') & ~std::uint64_t{0xffff}) |
                                 static_cast<std::uint64_t>(second) << 8U |
                                 static_cast<std::uint64_t>(first);
      CHECK((has_byte(word, 'a') != 0) == (first == 'a' || second == 'a'));
      CHECK((has_less(word, '!') != 0) == (first < '!' || second < '!'));
      const auto capital = [](int c) { return c >= 'A' && c <= 'Z'; };
      CHECK((has_between(word, 'A' - 1, 'Z' + 1) != 0) == (capital(first) || capital(second)));
    }
  }
}

TEST_CASE("a byte is found wherever it stands in a text of any length, and only there") {
  const auto has_quote = [](std::uint64_t word) { return has_byte(word, '"'); };
  for (std::size_t size = 0; size < 35; ++size) {
    // What stands around the text is not looked at.
    std::string text = "\"" + std::string(size, 'x') + "\"";
    const auto inside = std::string_view(text).substr(1, size);
    CHECK(!any_word(inside, has_quote));
    for (std::size_t at = 1; at <= size; ++at) {
      text[at] = '"';
      CHECK(any_word(inside, has_quote));
      text[at] = 'x';
    }
  }
}
