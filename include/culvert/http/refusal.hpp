// Refusal: why a message is not taken, and what its sender is told. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert::http {

/// `status` answers a client. An upstream whose response is refused is to blame itself: its client
/// gets 502. After a refusal the connection is of no more use: nobody knows where the next message
/// begins.
struct Refusal {
  std::uint16_t status = 400;
  const char* text = "";  // for the log; static storage, says what was wrong and repeats no input
  bool operator==(const Refusal& other) const {
    return status == other.status && std::string_view(text) == other.text;
  }

  /// kLimit for 408, 414 and 431, else kProtocol.
  Error error(Origin origin) const;
};

/// Every reason there is. RFC 9112 where not said otherwise.
namespace refusals {
// The start line (sections 3 and 4).
inline constexpr Refusal kRequestLine{400, "the request line is malformed"};
inline constexpr Refusal kStatusLine{400, "the status line is malformed"};
inline constexpr Refusal kMethod{400, "the method is not a token"};
inline constexpr Refusal kMethodTooLong{501, "the method is too long"};
inline constexpr Refusal kConnect{501, "CONNECT is not served"};
inline constexpr Refusal kTarget{400, "the request target is malformed"};
inline constexpr Refusal kTargetTooLong{414, "the request target is too long"};
inline constexpr Refusal kScheme{400, "the scheme is neither http nor https"};
inline constexpr Refusal kVersion{505, "the HTTP version is not supported"};
// Lines and fields (sections 2.2 and 5).
inline constexpr Refusal kBareLf{400, "a line ends in LF without CR"};
inline constexpr Refusal kEmptyLines{400, "empty lines stand before the message"};
inline constexpr Refusal kHeadTooLong{431, "the head is too long"};
inline constexpr Refusal kTooManyFields{431, "the head has too many fields"};
inline constexpr Refusal kFolded{400, "a field is folded over lines"};
inline constexpr Refusal kFieldName{400, "a field name is not a token"};
inline constexpr Refusal kSpaceBeforeColon{400, "space stands between a field name and its colon"};
inline constexpr Refusal kFieldValue{400, "a field value has a control character"};
// Host (RFC 9112 section 3.2) and :authority (RFC 9113 section 8.3.1).
inline constexpr Refusal kNoHost{400, "the Host field is missing"};
inline constexpr Refusal kManyHosts{400, "there is more than one Host field"};
inline constexpr Refusal kHost{400, "the host is malformed"};
inline constexpr Refusal kHostConflict{400, "Host and request target name different hosts"};
// The body's length (section 6).
inline constexpr Refusal kLength{400, "the Content-Length is not a number that fits"};
inline constexpr Refusal kManyLengths{400, "there is more than one Content-Length"};
inline constexpr Refusal kBothLengths{400, "Transfer-Encoding and Content-Length are both there"};
inline constexpr Refusal kCodingIn10{400, "HTTP/1.0 has no Transfer-Encoding"};
inline constexpr Refusal kCoding{400, "the Transfer-Encoding does not end in one chunked"};
inline constexpr Refusal kUnknownCoding{501, "a transfer coding other than chunked"};
inline constexpr Refusal kNoBodyStatus{400, "a body is announced for a status that has none"};
// Chunks (section 7.1).
inline constexpr Refusal kChunkSize{400, "the chunk size is malformed"};
inline constexpr Refusal kChunkSizeTooLarge{400, "the chunk size is too large"};
inline constexpr Refusal kChunkExtension{400, "a chunk extension has a control character"};
inline constexpr Refusal kChunkExtensionsTooLong{400, "the chunk extensions are too long"};
inline constexpr Refusal kChunkEnd{400, "a chunk is longer than its size says"};
inline constexpr Refusal kTrailersTooLong{431, "the trailers are too long"};
inline constexpr Refusal kTrailerField{400, "a trailer names a field that belongs into the head"};
// The connection (RFC 9110 sections 7.6.1, 7.8, 10.1.1).
inline constexpr Refusal kConnectionField{400, "the Connection field is malformed"};
inline constexpr Refusal kConnectionNames{400,
                                          "Connection names a field that is not the hop's own"};
inline constexpr Refusal kExpectation{417, "an expectation other than 100-continue"};
inline constexpr Refusal kUpgrade{400, "an upgrade to WebSocket with a body or not by GET"};
inline constexpr Refusal kUnaskedUpgrade{400, "101 without having been asked for"};
inline constexpr Refusal kTooManyInformational{400, "too many informational responses"};
inline constexpr Refusal kTruncated{400, "the connection ended inside of a message"};
// HTTP/2 (RFC 9113 section 8).
inline constexpr Refusal kUpperCase{400, "a field name has upper case"};
inline constexpr Refusal kConnectionSpecific{400, "a field that belongs to a connection"};
inline constexpr Refusal kTe{400, "TE is other than trailers"};
inline constexpr Refusal kPseudoAfterField{400, "a pseudo-header field follows a field"};
inline constexpr Refusal kUnknownPseudo{400, "an unknown pseudo-header field"};
inline constexpr Refusal kRepeatedPseudo{400, "a pseudo-header field is repeated"};
inline constexpr Refusal kMissingPseudo{400, "a pseudo-header field is missing"};
inline constexpr Refusal kStatus{400, "the status has not three digits"};
inline constexpr Refusal kLengthMismatch{400, "the body is not as long as announced"};
// For who reads: deadlines are in its hands.
inline constexpr Refusal kHeadTimeout{408, "the request did not come in time"};
inline constexpr Refusal kPath{400, "the path cannot be normalized"};
}  // namespace refusals

}  // namespace culvert::http
