// What nghttp2 allocates: of each stream some small blocks, from its thread's spare ones. Used by
// session.cpp.
#pragma once

#include <nghttp2/nghttp2.h>

namespace culvert::h2 {

/// nghttp2 keeps a copy.
nghttp2_mem session_memory();

}  // namespace culvert::h2
