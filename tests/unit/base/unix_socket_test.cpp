// Listening Unix sockets: mode, stale files, live owners.
#include "culvert/base/unix_socket.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>

#include "../temporary_folder.hpp"

using namespace culvert;
using culvert::testing::TemporaryFolder;

TEST_CASE("a listening Unix socket has mode 0600 and leaves nothing else in its folder") {
  const TemporaryFolder folder;
  const auto fd = listen_unix(folder.path() + "/a.sock", SOCK_SEQPACKET, 4);
  REQUIRE(fd.has_value());
  struct stat info{};
  REQUIRE(::stat((folder.path() + "/a.sock").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++files;
  CHECK(files == 1);
  CHECK(connect_unix(folder.path() + "/a.sock", SOCK_SEQPACKET).has_value());
}

TEST_CASE("a stale socket file is replaced, a live one is not") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  auto first = listen_unix(path, SOCK_STREAM, 4);
  REQUIRE(first.has_value());
  CHECK(listen_unix(path, SOCK_STREAM, 4).error().code == ErrorCode::kInvalid);
  first->reset();
  CHECK(connect_unix(path, SOCK_STREAM).error().code == ErrorCode::kRefused);
  CHECK(listen_unix(path, SOCK_STREAM, 4).has_value());
}

TEST_CASE("a file that is no socket is never replaced") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/precious";
  std::ofstream(path) << "text";
  CHECK(listen_unix(path, SOCK_STREAM, 4).error().code == ErrorCode::kInvalid);
  CHECK(std::filesystem::file_size(path) == 4);
}

TEST_CASE("a path of more than 107 bytes is refused") {
  CHECK(listen_unix("/tmp/" + std::string(103, 'a'), SOCK_STREAM, 4).error().code ==
        ErrorCode::kInvalid);
}
