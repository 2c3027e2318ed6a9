// Settings and bounds of an HTTP/2 connection, with Istio's values for HBONE as defaults
// (docs/decisions/0020-http2-settings.md has the measurements).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace culvert::h2 {

class Budget;

/// Payload of our DATA frames: with its 9-byte header a full frame fills one TLS record of 16 KiB.
inline constexpr std::size_t kDataPayloadBytes = 16'384 - 9;
/// What one write to the connection carries at most, give or take one control frame.
inline constexpr std::size_t kWriteBatchBytes = 128U << 10;
/// From so many bytes on Stream::pass() is worth its wait: fewer are copied anyway, so that many
/// small messages hold no receive buffers and seal as one part.
inline constexpr std::size_t kPassBytes = 2048;
/// Fields in one header block or trailer.
inline constexpr std::size_t kMaxHeaderFields = 128;
/// A header block that is beyond its bounds (bytes and fields of its list) by this factor ends the
/// connection: what is not kept has to be decoded all the same, and one byte may stand for a field
/// of 4 KiB (RFC 7541 section 6.1).
inline constexpr std::size_t kMaxHeaderExcess = 4;
/// Informational responses (1xx) that a stream's server may send before the final one.
inline constexpr std::size_t kMaxInformational = 16;
/// Streams that the peer may reset in a second before we answered them ("rapid reset"), and that it
/// may make a server reset by breaking their rules or bounds.
inline constexpr std::uint32_t kMaxResetsPerSecond = 1000;
/// PING, SETTINGS, PRIORITY and empty DATA frames together that the peer may send in a second.
inline constexpr std::uint32_t kMaxControlFramesPerSecond = 1000;
/// Acknowledgments of PING and SETTINGS that may wait for a peer that does not read.
inline constexpr std::size_t kMaxQueuedAcks = 256;
/// A stream whose handle is gone may take this long to send what it holds, then it is reset.
inline constexpr std::chrono::seconds kLingerTimeout{30};
/// After a fatal error: how long the last GOAWAY may take to leave.
inline constexpr std::chrono::seconds kGoodbyeTimeout{1};
/// Bytes that a stream may always have queued to send, also when the process' budget is exceeded.
inline constexpr std::size_t kMinSendBufferBytes = 16U << 10;
/// Unread bytes up to which a stream's window is credited also when that budget is exceeded:
/// streams whose readers keep up go on, those whose readers do not stop growing.
inline constexpr std::size_t kFairReceiveBytes = 64U << 10;

struct Options {
  std::uint32_t stream_window_bytes = 4U << 20;       // received and not yet consumed, a stream
  std::uint32_t connection_window_bytes = 16U << 20;  // on their way to us, all streams together
  /// Received and not yet consumed, all streams together; a stream with more than kFairReceiveBytes
  /// unread that receives beyond it is reset (ENHANCE_YOUR_CALM).
  std::size_t connection_unread_bytes = 128U << 20;
  std::uint32_t max_frame_bytes = 1U << 20;  // SETTINGS_MAX_FRAME_SIZE that we announce
  /// Server: announced (SETTINGS_MAX_CONCURRENT_STREAMS). Client: opened at once at most; the
  /// peer's own limit holds too.
  std::uint32_t max_streams = 100;
  std::uint32_t header_list_bytes = 16U << 10;  // RFC 9113 section 6.5.2 counting: 32 more a field
  /// Server: CONNECT with `:protocol` is taken, and announced (RFC 8441).
  bool extended_connect = false;
  /// Streams with malformed messages (RFC 9113 section 8.1.1) are reset before anybody sees them.
  /// False: who serves a request judges its fields, that there are not too many
  /// (Stream::oversized), and the length of its body.
  bool judges_messages = true;
  std::size_t stream_send_buffer_bytes = 256U << 10;
  std::size_t connection_send_buffer_bytes = 4U << 20;
  /// Server: from the first frame of a request's head to its last. A head that is later is handed
  /// over as far as it came (Stream::late), and the connection ends: the peer may send nothing else
  /// on it before the head's end, and no answer to a PING (RFC 9113 section 4.3). Zero: the stream
  /// is reset after kLingerTimeout, and PINGs are to be answered.
  std::chrono::milliseconds head_timeout{0};
  /// PINGs keep the connection; zero: none are sent.
  std::chrono::milliseconds ping_interval{10'000};
  /// Also while no stream is open.
  bool ping_when_idle = true;
  /// Nothing received for so long after a PING: the connection is dead.
  std::chrono::milliseconds ping_timeout{20'000};
  /// One write to the ByteStream.
  std::chrono::milliseconds write_timeout{60'000};
  /// Shared by the process; nullptr: none. Outlives the connection and its streams.
  Budget* budget = nullptr;

  static Options client() { return {}; }
  static Options server() {
    Options options;
    options.max_streams = 200;
    options.header_list_bytes = 64U << 10;
    return options;
  }
};

}  // namespace culvert::h2
