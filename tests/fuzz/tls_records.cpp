// Fuzz entry point: hostile bytes at our TLS record layer, in two ways. The first byte chooses role
// and way: raw bytes as they come from a socket, cut in pieces; or the script of a peer that has
// the keys and seals whatever records it likes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "own_record_layer.hpp"
#include "record_keys.hpp"

using namespace culvert;

namespace {

constexpr char kOurs = 'u', kPeers = 'p';

const tls::Suite& suite() {
  return *tls::Suite::find(0x1301);
}
tls::Secret secret(char fill) {
  return tls::Secret(std::string(suite().secret_bytes, fill));
}

// Never more plaintext than ciphertext, never an answer that grows with what was asked, and dead
// after a failure.
void feed(tls::RecordLayer& layer, std::span<const std::byte> bytes) {
  std::string plaintext, out;
  const auto opened = layer.open(bytes, plaintext, out);
  if (plaintext.size() > bytes.size() + tls::kMaxRecordPlaintext) std::abort();
  if (out.size() > 2 + tls::kRecordOverhead) std::abort();
  const std::string data = "answer";
  const bool sealed = layer.seal(std::as_bytes(std::span(data)), out).has_value();
  if (!opened && sealed) std::abort();
}

// [type, length, padding] content...: sealed as a peer would.
std::string record_of(tls::RecordKeys& keys, std::span<const std::byte>& script) {
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint8_t>(script[i]); };
  const std::size_t size = std::min<std::size_t>(at(1), script.size() - 3);
  std::string inner(reinterpret_cast<const char*>(script.data()) + 3, size);
  inner += static_cast<char>(at(0));
  inner.append(at(2), '\0');
  const auto type = static_cast<tls::ContentType>(inner.back());
  inner.pop_back();
  script = script.subspan(3 + size);
  std::string out(inner.size() + tls::kRecordOverhead, '\0');
  if (!keys.seal(type, std::as_bytes(std::span(inner)), out.data())) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint8_t choice = data[0];
  const std::size_t step = std::size_t{data[1]} + 1;
  std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  auto layer = tls::make_own_record_layer({&suite(), secret(kOurs), secret(kPeers)},
                                          (choice & 1) != 0, {}, {.records_per_key = 8});
  if ((choice & 2) == 0) {
    while (!input.empty()) {
      const auto part = input.first(std::min(step, input.size()));
      feed(**layer, part);
      input = input.subspan(part.size());
    }
    return 0;
  }
  auto keys = tls::RecordKeys::make(suite(), secret(kPeers), tls::RecordKeys::Use::kSeal);
  while (input.size() >= 3) {
    const bool update = std::to_integer<std::uint8_t>(input[0]) == 22 && input.size() >= 4 &&
                        std::to_integer<std::uint8_t>(input[3]) == 24;
    const std::string record = record_of(*keys, input);
    feed(**layer, std::as_bytes(std::span(record)));
    if (update) (void)keys->update();
  }
  return 0;
}
