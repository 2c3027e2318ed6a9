// The version that every binary answers to --version; the same as in meson.build.
#pragma once

namespace culvert {
inline constexpr const char* kVersion = "0.1.0";
}  // namespace culvert
