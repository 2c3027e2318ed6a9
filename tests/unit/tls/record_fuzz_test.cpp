// The fuzz entry point of records (tests/fuzz/tls_records.cpp) over inputs made here: it holds for
// a peer with keys that obeys, one that does not, and for noise; a fixed seed, so that a failure
// stays.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(std::string_view input) {
  CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()) ==
        0);
}

}  // namespace

TEST_CASE("the fuzz entry point of records holds for every kind of record of a peer with keys") {
  for (const char role : {'\2', '\3'}) {
    for (int type = 0; type < 256; ++type) {
      for (const std::string& content :
           {std::string(), std::string("\1\0", 2), std::string("\x18\0\0\1\1", 5),
            std::string("\4\0\0\2tt", 6), std::string(200, 'x')}) {
        std::string input{role, '\0', static_cast<char>(type), static_cast<char>(content.size()),
                          '\7'};
        input += content;
        run(input + "\x17\3" + std::string("\0abc", 4));
      }
    }
  }
}

TEST_CASE("the fuzz entry point of records holds for noise, in any cut") {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string input(random() % 300, '\0');
    for (char& c : input) c = static_cast<char>(random());
    if (input.size() > 7 && i % 2 == 0) {  // a header that is plausible
      input.replace(2, 5, std::string("\x17\3\3\0\x30", 5));
    }
    run(input);
  }
}
