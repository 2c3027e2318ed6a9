// Paths in one form: Istio's options for what is decided by, and sent on
// (MeshConfig.pathNormalization). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::http {

/// In the order of strength. Istio's DEFAULT is kBase.
enum class PathNormalization : std::uint8_t {
  kNone,                   // as it came
  kBase,                   // RFC 3986 sections 6.2.2.2 and 6.2.2.3, and '\' is '/'
  kMergeSlashes,           // and neighbouring slashes are one
  kDecodeAndMergeSlashes,  // after %2F and %5C, in either case, were decoded
};

/// `path` (RequestHead::path) in that form; only what stands before '?' changes, and "*" never
/// does. kBase decodes what needs no escape (letters, digits, "-._~"), escapes what must not stand
/// in a path, and resolves "." and ".." (also written as %2e; above the root is the root). nullopt
/// for an escaped NUL, which ends the path for some: 400.
std::optional<std::string> normalized_path(std::string_view path, PathNormalization how);
/// The same in place: most paths are so already, and stay. False where there is none.
bool normalize_path(std::string& path, PathNormalization how);

}  // namespace culvert::http
