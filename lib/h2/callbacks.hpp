// What nghttp2 calls: frames received and sent, and the source of DATA. Only lib/h2's sources.
#pragma once

#include <nghttp2/nghttp2.h>

namespace culvert::h2 {

class Session;
struct StreamState;

/// The callbacks, made once for the process; nghttp2 copies them into each session.
const nghttp2_session_callbacks* session_callbacks();
/// A provider that takes DATA from the stream's send queue.
nghttp2_data_provider data_provider(StreamState& stream);

}  // namespace culvert::h2
