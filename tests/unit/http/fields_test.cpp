#include "culvert/http/fields.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "culvert/http/message.hpp"

using namespace culvert::http;

namespace {
std::vector<Field> all_of(const Fields& fields) {
  std::vector<Field> out;
  for (const Field field : fields) out.push_back(field);
  return out;
}
}  // namespace

TEST_CASE("fields keep their order, lower their names, and are found by name") {
  Fields fields;
  CHECK(fields.empty());
  REQUIRE(fields.add("X-One", "1"));
  REQUIRE(fields.add("two", ""));
  REQUIRE(fields.add("x-ONE", "b C"));
  CHECK(all_of(fields) == std::vector<Field>{{"x-one", "1"}, {"two", ""}, {"x-one", "b C"}});
  CHECK(fields.find("x-one") == "1");
  CHECK(fields.find("two") == "");
  CHECK_FALSE(fields.find("X-One"));
  CHECK(fields.count("x-one") == 2);
  CHECK(fields.joined("x-one") == "1, b C");
  CHECK_FALSE(fields.joined("x-on"));
  CHECK(fields.bytes() == 5 + 1 + 3 + 5 + 3);
}

TEST_CASE("set replaces all of a name where the first was, or appends") {
  Fields fields;
  for (const auto& [name, value] : std::vector<Field>{{"a", "1"}, {"b", "2"}, {"a", "3"}}) {
    REQUIRE(fields.add(name, value));
  }
  REQUIRE(fields.set("A", "4"));
  CHECK(all_of(fields) == std::vector<Field>{{"a", "4"}, {"b", "2"}});
  REQUIRE(fields.set("c", "5"));
  CHECK(all_of(fields) == std::vector<Field>{{"a", "4"}, {"b", "2"}, {"c", "5"}});
  CHECK(fields.remove("b") == 1);
  CHECK(fields.remove("b") == 0);
  CHECK(all_of(fields) == std::vector<Field>{{"a", "4"}, {"c", "5"}});
  fields.clear();
  CHECK(fields.empty());
}

TEST_CASE("a field may be made of another one's text") {
  Fields fields;
  REQUIRE(fields.add("a", std::string(100, 'x')));
  for (int i = 0; i < 20; ++i) REQUIRE(fields.add(fields[0].name, *fields.find("a")));
  for (const Field field : fields) CHECK(field == Field{"a", std::string(100, 'x')});
  REQUIRE(fields.set("a", fields[20].value));
  CHECK(fields.size() == 1);
}

TEST_CASE("what some version of HTTP could not carry is not added") {
  Fields fields;
  for (const char* name :
       {"", " a", "a ", "a b", "a:", ":a", "a\r", "a\n", "\xc3\xa9", "(a)", "a\x7f"}) {
    CHECK_FALSE(fields.add(name, "x"));
  }
  CHECK_FALSE(fields.add(std::string_view("a\0", 2), "x"));
  CHECK_FALSE(fields.add(std::string(65'536, 'a'), "x"));
  CHECK(fields.add(std::string(65'535, 'a'), "x"));
  for (const char* value : {" a", "a ", "\ta", "a\r", "a\nb", "\x01", "\x7f", "\x1b"}) {
    CHECK_FALSE(fields.add("x", value));
    CHECK_FALSE(fields.set("x", value));
  }
  CHECK_FALSE(fields.add("x", std::string_view("\0", 1)));
  CHECK(fields.add("x", "a \t b\xff"));
  CHECK(fields.size() == 2);
}

TEST_CASE("fields are equal by what they hold, not by how they came to it") {
  Fields one, two;
  REQUIRE(one.add("a", "1"));
  REQUIRE(two.add("b", "1"));
  CHECK_FALSE(one == two);
  REQUIRE(two.add("A", "1"));
  CHECK_FALSE(one == two);
  two.remove("b");
  CHECK(one == two);
}

TEST_CASE("statuses have their phrases") {
  CHECK(reason_phrase(200) == std::string_view("OK"));
  CHECK(reason_phrase(100) == std::string_view("Continue"));
  CHECK(reason_phrase(504) == std::string_view("Gateway Timeout"));
  CHECK(reason_phrase(599) == std::string_view());
}

TEST_CASE("a name is judged at each place, whatever its length, and lowered whole") {
  const auto of_token = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && std::string_view("!#$%&'*+-.^_`|~").contains(c));
  };
  for (const std::size_t size : {1, 2, 3, 4, 5, 7, 8, 9, 16, 19}) {
    for (std::size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string name(size, 'x');
        name[place] = static_cast<char>(byte);
        Fields fields;
        CHECK(is_field_name(name) == of_token(name[place]));
        REQUIRE(fields.add(name, "v") == of_token(name[place]));
        if (fields.empty()) continue;
        if (byte >= 'A' && byte <= 'Z') name[place] = static_cast<char>(byte + ('a' - 'A'));
        CHECK(fields[0] == Field{name, "v"});
      }
    }
  }
}
