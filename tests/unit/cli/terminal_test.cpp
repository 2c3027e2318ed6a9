// The CLI's tables and log tails.
#include "culvert/terminal.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "culvert/log_output.hpp"

using namespace culvert::cli;

TEST_CASE("columns line up, and escape sequences and accents do not count as width") {
  Table table({"A", "B"});
  table.add({"\x1b[32mok\x1b[0m", "1"});
  table.add({"h\xc3\xa9llo", "2"});
  CHECK(table.to_string() == "A      B\n\x1b[32mok\x1b[0m     1\nh\xc3\xa9llo  2\n");
}

TEST_CASE("nothing is colored when the output is not a terminal or NO_COLOR is set") {
  ::setenv("NO_COLOR", "1", 1);
  CHECK(colored("text", Color::kRed) == "text");
}

TEST_CASE("the last lines of a log are whole lines") {
  CHECK(last_lines("a\nb\nc\n", 2) == "b\nc\n");
  CHECK(last_lines("a\nb\nc", 1) == "c");
  CHECK(last_lines("a\nb\n", 9) == "a\nb\n");
  CHECK(last_lines("a\nb\n", 0) == "");
  CHECK(last_lines("a\n", -1) == "a\n");
  CHECK(last_lines("", 3) == "");
}
