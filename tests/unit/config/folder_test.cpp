// What is read again when a folder is looked at again.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "culvert/config/folder.hpp"

using namespace culvert;
using namespace culvert::config;
using namespace std::chrono_literals;

namespace {

/// A folder whose files were written long ago, unless a test says otherwise.
class Files {
 public:
  Files()
      : path_(std::filesystem::temp_directory_path() / ("folder." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Files() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }
  void write(const std::string& name, const std::string& label) const {
    std::ofstream(path_ / name) << "apiVersion: v1\nkind: Namespace\nmetadata: {name: "
                                << name.substr(0, name.find('.')) << ", labels: {l: " << label
                                << "}}\n";
  }
  void remove(const std::string& name) const { std::filesystem::remove(path_ / name); }

 private:
  const std::filesystem::path path_;
};

const std::string& bytes(const Folder& folder, std::size_t index) {
  return folder.files().at(index)->objects.at(0)->bytes;
}

}  // namespace

TEST_CASE("a file that is as it was is not parsed again, also when it was written just now") {
  const Files files;
  files.write("a.yaml", "x");
  files.write("b.yaml", "x");
  Folder folder(files.path());
  REQUIRE(folder.read());
  CHECK(folder.parsed() == 2);
  const auto before = folder.files();
  REQUIRE(folder.read());
  REQUIRE(folder.read_named({"a.yaml"}));
  files.write("a.yaml", "x");  // other times, the same text
  REQUIRE(folder.read());
  CHECK(folder.parsed() == 2);
  CHECK(folder.files() == before);
}

TEST_CASE("what changed is parsed, whether it is named or found, also with the same size") {
  const Files files;
  files.write("a.yaml", "x");
  files.write("b.yaml", "x");
  Folder folder(files.path());
  REQUIRE(folder.read());
  const auto first = bytes(folder, 0);
  files.write("a.yaml", "y");  // within the same tick, the same inode
  REQUIRE(folder.read());
  CHECK(bytes(folder, 0) != first);
  CHECK(folder.parsed() == 3);
  std::this_thread::sleep_for(50ms);  // past the clock's grain
  REQUIRE(folder.read());
  files.write("a.yaml", "z");
  files.write("b.yaml", "z");
  const auto second = bytes(folder, 1);
  REQUIRE(folder.read_named({"a.yaml"}));
  CHECK(folder.parsed() == 4);
  CHECK(bytes(folder, 1) == second);
  REQUIRE(folder.read());
  CHECK(bytes(folder, 1) != second);
}

TEST_CASE("files come and go, and what is half written stays as it was") {
  const Files files;
  files.write("a.yaml", "x");
  files.write("b.yaml", "x");
  Folder folder(files.path());
  REQUIRE(folder.read());
  files.remove("a.yaml");
  files.write("c.yaml", "x");
  std::ofstream(files.path() + "/b.yaml") << "apiVersion: v1\nkind: Nam";
  std::ofstream(files.path() + "/d.yaml") << "apiVersion: v1\nkind: Nam";
  REQUIRE(folder.read({"b.yaml", "d.yaml"}));
  auto now = folder.files();
  REQUIRE(now.size() == 2);
  CHECK(now[0]->file == "b.yaml");
  CHECK(now[0]->complete);
  CHECK(now[1]->file == "c.yaml");
  files.remove("c.yaml");
  REQUIRE(folder.read_named({"c.yaml"}));
  CHECK(folder.files().size() == 1);
}

TEST_CASE("what could not be read, or was read within the clock's grain, is looked at again") {
  const Files files;
  files.write("a.yaml", "x");
  files.write("b.yaml", "x");
  std::filesystem::create_directory(files.path() + "/c.yaml");
  std::filesystem::create_directory(files.path() + "/d.yaml");
  Folder folder(files.path());
  // On a machine so busy that it took longer, nothing is within the grain.
  for (auto before = std::chrono::steady_clock::now() - 1h;
       std::chrono::steady_clock::now() - before > 5ms;) {
    before = std::chrono::steady_clock::now();
    files.write("b.yaml", "x");
    REQUIRE(folder.read());
  }
  const auto first = folder.files();
  CHECK_FALSE(first.at(2)->complete);
  const auto before = bytes(folder, 1);
  files.write("b.yaml", "y");
  for (const auto* name : {"c.yaml", "d.yaml"}) {
    files.remove(name);
    files.write(name, "x");
  }
  REQUIRE(folder.read_named({"a.yaml"}, {"d.yaml"}));
  CHECK(bytes(folder, 1) != before);
  CHECK(folder.files().at(2)->complete);
  CHECK(folder.files().at(3) == first.at(3));
  // That one is gone is for its own event to say: an editor may have moved it away.
  files.remove("b.yaml");
  REQUIRE(folder.read_named({"a.yaml"}));
  CHECK(folder.files().size() == 4);
}
