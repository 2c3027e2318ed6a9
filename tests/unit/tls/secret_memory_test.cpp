// Secrets do not stay in memory: what a record layer derived and used is looked for in all of this
// process' writable memory, while it lives and after its death.
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "records.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

// A secret that this test itself must not leave around: kept only as its bytes' complements.
struct Sought {
  std::array<unsigned char, tls::kMaxSecretBytes> complement{};
  std::size_t size = 0;

  void set(std::string_view secret) {
    size = secret.size();
    for (std::size_t i = 0; i < size; ++i) complement[i] = static_cast<unsigned char>(~secret[i]);
  }
  bool at(const unsigned char* where) const {
    for (std::size_t i = 0; i < size; ++i) {
      if (static_cast<unsigned char>(~where[i]) != complement[i]) return false;
    }
    return true;
  }
};

// Whether it stands in the heap, the data segments or another small writable mapping but the stack
// (the stack's dead frames are overwritten by whoever comes next). Sanitizers map terabytes of
// shadow, hence the bound.
bool in_memory(const Sought& sought) {
  constexpr std::size_t kLargestMapping = 256U << 20;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char permissions[5] = {};
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, permissions) != 3)
      continue;
    if (std::strncmp(permissions, "rw", 2) != 0 || end - begin > kLargestMapping) continue;
    if (line.ends_with("[stack]") || line.ends_with("[vvar]")) continue;
    // Through the kernel, which refuses what cannot be read instead of killing us.
    std::ifstream memory("/proc/self/mem", std::ios::binary);
    std::array<unsigned char, 65'536> window{};
    std::size_t kept = 0;
    memory.seekg(static_cast<std::streamoff>(begin));
    for (std::uintptr_t at = begin; at < end;) {
      const auto part = std::min<std::size_t>(window.size() - kept, end - at);
      if (!memory.read(reinterpret_cast<char*>(window.data()) + kept,
                       static_cast<std::streamsize>(part))) {
        break;
      }
      at += part;
      const std::size_t have = kept + part;
      for (std::size_t i = 0; i + sought.size <= have; ++i) {
        if (sought.at(window.data() + i)) return true;
      }
      kept = std::min(sought.size - 1, have);
      std::memmove(window.data(), window.data() + have - kept, kept);
    }
    std::memset(window.data(), 0, window.size());
  }
  return false;
}

struct Derived {
  Sought secret, key, next;
};

[[gnu::noinline]] Derived derive(char fill) {
  Derived out;
  std::array<char, tls::kMaxSecretBytes> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(fill + 7 * i);
  out.secret.set({bytes.data(), bytes.size()});
  tls::Secret secret({bytes.data(), bytes.size()});
  std::array<std::uint8_t, tls::kMaxKeyBytes> key{};
  REQUIRE(tls::expand_label(suite(), secret.view(), "key", key));
  out.key.set({reinterpret_cast<const char*>(key.data()), key.size()});
  const auto next = tls::next_traffic_secret(suite(), secret);
  out.next.set(next.view());
  tls::wipe_bytes(bytes.data(), bytes.size());
  tls::wipe_bytes(key.data(), key.size());
  return out;
}

tls::Secret make_secret(char fill) {
  std::array<char, tls::kMaxSecretBytes> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(fill + 7 * i);
  tls::Secret out({bytes.data(), bytes.size()});
  tls::wipe_bytes(bytes.data(), bytes.size());
  return out;
}

}  // namespace

TEST_CASE("traffic secrets and keys leave memory with the layer, and old ones at a KeyUpdate") {
  const Derived ours = derive('\x11'), theirs = derive('\x57');
  auto made = tls::make_own_record_layer({&suite(), make_secret('\x11'), make_secret('\x57')},
                                         false, {}, {.records_per_key = 1});
  REQUIRE(made);
  CHECK(in_memory(ours.secret));
  CHECK(in_memory(theirs.secret));
  CHECK(in_memory(theirs.key));
  std::string out;
  REQUIRE((*made)->seal(bytes("a"), out));
  REQUIRE((*made)->seal(bytes("b"), out));  // after a KeyUpdate
  CHECK_FALSE(in_memory(ours.secret));
  CHECK_FALSE(in_memory(ours.key));
  CHECK(in_memory(ours.next));
  made->reset();
  for (const auto& each : {ours, theirs}) {
    CHECK_FALSE(in_memory(each.secret));
    CHECK_FALSE(in_memory(each.key));
    CHECK_FALSE(in_memory(each.next));
  }
}
