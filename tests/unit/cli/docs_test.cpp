// docs/cli.md has every command of the tree, and no other.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "culvert/base/fd.hpp"
#include "culvert/commands.hpp"

using namespace culvert;

namespace {

// The page stands in the tree that this binary was built in.
std::string page() {
  auto folder = std::filesystem::read_symlink("/proc/self/exe");
  while (folder.has_relative_path()) {
    folder = folder.parent_path();
    const auto path = folder / "docs/cli.md";
    if (std::filesystem::exists(path)) return read_file(path.string()).value();
  }
  FAIL("no docs/cli.md above the test");
  return {};
}

// A command without a group is hidden: not for people.
bool is_shown(const CLI::App* command) {
  return !command->get_group().empty();
}

// "maps diff" for each command that does something.
std::set<std::string> commands(const CLI::App& app, const std::string& path) {
  std::set<std::string> out;
  const auto subs = app.get_subcommands(is_shown);
  for (const CLI::App* sub : subs) {
    const std::string own = path.empty() ? sub->get_name() : path + " " + sub->get_name();
    out.insert(own);
    out.merge(commands(*sub, own));
  }
  return out;
}

// What stands in backticks in the page's headings.
std::set<std::string> headings(const std::string& text) {
  std::set<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#")) continue;
    for (std::size_t from = 0; (from = line.find("`culvert ", from)) != std::string::npos;) {
      const auto begin = from + 9, end = line.find('`', begin);
      out.insert(line.substr(begin, end - begin));
      from = end;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("the page of the command line has a heading for each command, and none for others") {
  CLI::App app("test", "culvert");
  cli::register_all(app);
  const auto have = headings(page()), want = commands(app, "");
  REQUIRE(want.size() > 15);
  for (const std::string& command : want) CHECK_MESSAGE(have.contains(command), command);
  for (const std::string& command : have) CHECK_MESSAGE(want.contains(command), command);
}

TEST_CASE("every command says what it does, and gives examples of its own") {
  CLI::App app("test", "culvert");
  cli::register_all(app);
  for (const CLI::App* sub : app.get_subcommands(is_shown)) {
    CHECK_MESSAGE(!sub->get_description().empty(), sub->get_name());
    CHECK_MESSAGE(sub->get_footer().find("Examples:") != std::string::npos, sub->get_name());
    CHECK_MESSAGE(sub->get_footer() != app.get_footer(), sub->get_name());  // CLI11 inherits it
    for (const CLI::App* under : sub->get_subcommands(is_shown))
      CHECK_MESSAGE(!under->get_description().empty(), under->get_name());
  }
}
