// The forwarded header: what is read can be written and read again, and only the first element of
// the list counts.
#include "culvert/hbone/forwarded.hpp"

#include "culvert/hbone/authority.hpp"
#include "property.hpp"

using namespace culvert;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto forwarded = hbone::parse_forwarded(text);
  if (!forwarded) return 0;
  require(forwarded->host.empty() || hbone::is_host_name(forwarded->host), "the host is a name");
  const auto encoded = hbone::encode_forwarded(*forwarded);
  const auto again = hbone::parse_forwarded(encoded);
  require(again && *again == *forwarded, "what was written is read as it was");
  require(hbone::encode_forwarded(*again) == encoded, "equal values are written alike");
  const auto longer = hbone::parse_forwarded(text + ",for=192.0.2.77;host=other");
  if (longer) require(*longer == *forwarded, "only the first element counts");
  return 0;
}
