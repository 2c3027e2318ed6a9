// gzip (RFC 1952), for what is asked over HTTP. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace culvert {

/// `bytes` compressed; nullopt when zlib has no memory. Takes about 25 ms a MiB of text.
std::optional<std::string> gzip(std::string_view bytes);

}  // namespace culvert
