#include "culvert/base/gzip.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <random>

using namespace culvert;

namespace {

std::string gunzip(std::string packed, std::size_t size) {
  std::string out(size + 1, '\0');
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("what is compressed can be read again: nothing, text, noise, a MiB of one byte") {
  std::string noise(100'000, '\0');
  std::minstd_rand random(7);
  for (char& c : noise) c = static_cast<char>(random());
  for (const std::string& bytes :
       {std::string(), std::string("text"), noise, std::string(1 << 20, 'a')}) {
    const auto packed = gzip(bytes);
    REQUIRE(packed.has_value());
    CHECK(packed->substr(0, 2) == "\x1f\x8b");
    CHECK(gunzip(*packed, bytes.size()) == bytes);
  }
  CHECK(gzip(std::string(1 << 20, 'a'))->size() < 10'000);
}
