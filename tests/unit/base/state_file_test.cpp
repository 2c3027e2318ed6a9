// Files that outlive a restart: nothing that was damaged is ever taken for what was written.
#include "culvert/base/state_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../temporary_folder.hpp"
#include "culvert/base/fd.hpp"

using namespace culvert;
using culvert::testing::TemporaryFolder;

namespace {

constexpr std::string_view kKind = "CVSAMPLE";

Result<std::string_view> read(std::string_view file) {
  return unframe_state(kKind, 3, file);
}

}  // namespace

TEST_CASE("the checksum is CRC-64/XZ") {
  CHECK(crc64("123456789") == 0x995dc9bbdf1939faULL);  // the catalogue's check value
  CHECK(crc64("") == 0);
}

TEST_CASE("a state file gives back what was written, and only root may read it") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/state.bin";
  CHECK(read_state_file(path, kKind, 3, 1000).error().code == ErrorCode::kNotFound);
  for (const std::string& content : {std::string("first"), std::string(), std::string(900, '\0')}) {
    REQUIRE(write_state_file(path, kKind, 3, content));
    CHECK(read_state_file(path, kKind, 3, 1000) == content);
  }
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(read_state_file(path, kKind, 3, 100).error().code == ErrorCode::kLimit);
}

TEST_CASE("a file that cannot be written leaves the old one and nothing beside it") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/gone/state.bin";
  CHECK_FALSE(write_state_file(path, kKind, 3, "x"));
  const std::string old = folder.path() + "/state.bin";
  REQUIRE(write_state_file(old, kKind, 3, "old"));
  const std::string temporary = old + ".new." + std::to_string(::getpid());
  REQUIRE(make_dirs(temporary));  // where the new one would be made
  CHECK_FALSE(write_state_file(old, kKind, 3, "new"));
  CHECK(read_state_file(old, kKind, 3, 100) == "old");
}

TEST_CASE("what a writer that died left beside the file is removed, a living one's is not") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/state.bin";
  const std::string mine = path + ".new." + std::to_string(::getpid());
  const std::string dead = path + ".new.999999999";  // above every process id
  for (const auto& file : {path, mine, dead, path + ".other"})
    REQUIRE(write_file_atomic(file, "x", 0600));
  remove_unfinished_state_files(path);
  for (const auto& file : {path, mine, path + ".other"}) CHECK(read_file(file));
  CHECK_FALSE(read_file(dead));
  remove_unfinished_state_files("/nowhere/at/all");
}

TEST_CASE("every damaged byte, cut and addition is found") {
  const std::string good = frame_state(kKind, 3, "some content");
  REQUIRE(read(good) == "some content");
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {1, 0x80}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bit);
      CHECK_FALSE(read(bad));
    }
    CHECK_FALSE(read(good.substr(0, at)));
  }
  CHECK_FALSE(read(good + "x"));
  CHECK(read(frame_state(kKind, 4, "some content")).error().code == ErrorCode::kProtocol);
  CHECK(read(frame_state("CVOTHERS", 3, "x")).error().code == ErrorCode::kInvalid);
}

TEST_CASE("texts one after the other come back, and a length that lies is found") {
  std::string out;
  for (const char* text : {"a", "", "bc"}) append_text(out, text);
  std::string_view rest = out;
  CHECK(take_text(rest) == "a");
  CHECK(take_text(rest) == "");
  CHECK(take_text(rest) == "bc");
  CHECK_FALSE(take_text(rest));
  for (std::size_t size = 0; size < 9; ++size) {
    std::string_view cut = std::string_view(out).substr(0, size);
    CHECK_FALSE(take_text(cut));
  }
  std::string lies(8, '\xff');
  std::string_view all = lies;
  CHECK_FALSE(take_text(all));
}
