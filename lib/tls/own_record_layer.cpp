// Records by us (RFC 8446 sections 4.6, 5 and 6). Owned by a Session, on its thread.
#include "own_record_layer.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "alert.hpp"
#include "post_handshake.hpp"
#include "record_keys.hpp"

namespace culvert::tls {
namespace {

using Refused = std::optional<Refusal>;

constexpr std::uint8_t kWarning = 1;
constexpr std::uint8_t kFatal = 2;

class OwnRecordLayer final : public RecordLayer {
 public:
  OwnRecordLayer(RecordKeys ours, RecordKeys theirs, bool server, std::string received,
                 RecordLimits limits)
      : limits_(limits),
        peer_origin_(server ? Origin::kClient : Origin::kUpstream),
        ours_(std::move(ours)),
        theirs_(std::move(theirs)),
        messages_(server),
        with_handshake_(std::move(received)) {}

  Result<void> seal_parts(Parts parts, std::string& out) override;
  Result<Inbound> open(std::span<const std::byte> ciphertext, std::string& plaintext,
                       std::string& out) override;
  void close(std::string& out) override;

 private:
  // Receiving: from bytes to records to what they mean.
  Refused take(std::span<const std::byte> bytes, std::string& plaintext);
  Refused take_partial(std::span<const std::byte>& bytes, std::string& plaintext);
  Refused take_record(std::span<const std::byte> record, std::string& plaintext);
  Refused act_on(ContentType type, std::span<const std::byte> content);
  Refused act_on_alert(std::span<const std::byte> content);
  Refused act_on_handshake(std::span<const std::byte> content);

  // Sending.
  bool append(ContentType type, Parts content, std::size_t size, std::string& out);
  bool append(ContentType type, std::span<const std::byte> content, std::string& out) {
    return append(type, {&content, 1}, content.size(), out);
  }
  bool append_alert(std::uint8_t level, Alert alert, std::string& out);
  bool update_ours_if_due(std::string& out);
  std::unexpected<Error> fail_for_good(const Refusal& refusal, std::string& out);

  const RecordLimits limits_;
  const Origin peer_origin_;
  RecordKeys ours_;
  RecordKeys theirs_;
  PostHandshake messages_;
  std::string with_handshake_;  // what followed the peer's Finished, until the first open()
  std::string received_;        // the beginning of a record
  std::vector<std::span<const std::byte>> record_;  // the parts of the record being sealed
  unsigned quiet_records_ = 0;
  bool update_due_ = false;    // the peer asked for our KeyUpdate
  bool update_asked_ = false;  // we asked for the peer's
  bool dead_ = false;
  bool closed_ = false;                    // our close_notify is out
  bool peer_closed_ = false;               // the peer's was read
  const char* peer_alert_text_ = nullptr;  // its fatal alert was read
};

// The length of the record that begins with `header`, header included.
std::expected<std::size_t, Refusal> record_size(std::span<const std::byte> header) {
  const auto at = [&](std::size_t i) { return std::to_integer<std::size_t>(header[i]); };
  if (at(0) != static_cast<std::size_t>(ContentType::kApplicationData)) {
    return std::unexpected(
        Refusal{Alert::kUnexpectedMessage, "a record that is not encrypted after the handshake"});
  }
  const std::size_t body = at(3) << 8 | at(4);
  if (body > kMaxInnerPlaintext + kTagBytes) {
    return std::unexpected(Refusal{Alert::kRecordOverflow, "a TLS record over 16 KiB"});
  }
  if (body < kTagBytes) {
    return std::unexpected(Refusal{Alert::kBadRecordMac, "a TLS record shorter than its tag"});
  }
  return kRecordHeaderBytes + body;
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Result<RecordLayer::Inbound> OwnRecordLayer::open(std::span<const std::byte> ciphertext,
                                                  std::string& plaintext, std::string& out) {
  if (dead_) return fail(ErrorCode::kTls, "TLS connection has failed", peer_origin_);
  if (peer_closed_) return Inbound::kClosed;
  plaintext.reserve(plaintext.size() + received_.size() + ciphertext.size());
  const std::string first = std::exchange(with_handshake_, {});
  auto refused = take(as_bytes(first), plaintext);
  if (!refused) refused = take(ciphertext, plaintext);
  if (refused) return fail_for_good(*refused, out);
  if (peer_alert_text_ != nullptr) {
    dead_ = true;
    return fail(ErrorCode::kTls, peer_alert_text_, peer_origin_);
  }
  return peer_closed_ ? Inbound::kClosed : Inbound::kOpen;
}

Refused OwnRecordLayer::take(std::span<const std::byte> bytes, std::string& plaintext) {
  if (!received_.empty()) {
    if (const auto refused = take_partial(bytes, plaintext)) return refused;
  }
  while (received_.empty() && !peer_closed_ && peer_alert_text_ == nullptr) {
    if (bytes.size() < kRecordHeaderBytes) break;
    const auto size = record_size(bytes);
    if (!size) return size.error();
    if (bytes.size() < *size) break;
    if (const auto refused = take_record(bytes.first(*size), plaintext)) return refused;
    bytes = bytes.subspan(*size);
  }
  if (!peer_closed_ && peer_alert_text_ == nullptr) {
    received_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return {};
}

// Completes the record in received_ from the front of `bytes`, and takes it when it is whole.
Refused OwnRecordLayer::take_partial(std::span<const std::byte>& bytes, std::string& plaintext) {
  const auto fill = [&](std::size_t wanted) {
    const std::size_t have = received_.size();
    if (have < wanted) {
      const auto part = bytes.first(std::min(wanted - have, bytes.size()));
      received_.reserve(wanted);
      received_.append(reinterpret_cast<const char*>(part.data()), part.size());
      bytes = bytes.subspan(part.size());
    }
    return received_.size() >= wanted;
  };
  if (!fill(kRecordHeaderBytes)) return {};
  const auto size = record_size(as_bytes(received_));
  if (!size) return size.error();
  if (!fill(*size)) return {};
  const std::string record = std::exchange(received_, {});
  return take_record(as_bytes(record), plaintext);
}

Refused OwnRecordLayer::take_record(std::span<const std::byte> record, std::string& plaintext) {
  if (theirs_.sequence() > limits_.last_sequence) {
    return Refusal{Alert::kInternalError, "the peer's TLS records have used up their numbers"};
  }
  const std::size_t before = plaintext.size();
  const std::size_t after = before + record.size() - kRecordHeaderBytes - kTagBytes;
  bool authentic = false;
  // libstdc++ 12 gives the lambda the capacity for a size.
  plaintext.resize_and_overwrite(after, [&](char* data, std::size_t) {
    authentic = theirs_.open(record, data + before);
    return authentic ? after : before;
  });
  if (!authentic) return Refusal{Alert::kBadRecordMac, "a TLS record that is not authentic"};
  // The type is the last byte that is not zero; what follows is padding (RFC 8446 section 5.4).
  std::size_t end = plaintext.size();
  while (end > before && plaintext[end - 1] == '\0') --end;
  const bool typed = end > before;
  const auto type = typed ? static_cast<ContentType>(plaintext[end - 1]) : ContentType{};
  plaintext.resize(typed ? end - 1 : before);
  const auto content = as_bytes(plaintext).subspan(before);
  if (type == ContentType::kApplicationData && !content.empty() && !messages_.inside_message()) {
    quiet_records_ = 0;
    return {};
  }
  const auto refused = typed ? act_on(type, content)
                             : Refusal{Alert::kUnexpectedMessage, "a TLS record without a type"};
  plaintext.resize(before);
  return refused;
}

Refused OwnRecordLayer::act_on(ContentType type, std::span<const std::byte> content) {
  if (++quiet_records_ > limits_.quiet_records) {
    return Refusal{Alert::kUnexpectedMessage, "too many TLS records without data in a row"};
  }
  if (messages_.inside_message() && type != ContentType::kHandshake) {
    return Refusal{Alert::kUnexpectedMessage, "another record inside of a handshake message"};
  }
  switch (type) {
    case ContentType::kApplicationData:
      return {};  // an empty one: allowed as traffic padding
    case ContentType::kAlert:
      return act_on_alert(content);
    case ContentType::kHandshake:
      return act_on_handshake(content);
    default:
      return Refusal{Alert::kUnexpectedMessage, "a TLS record of an unexpected type"};
  }
}

Refused OwnRecordLayer::act_on_alert(std::span<const std::byte> content) {
  if (content.size() != 2) {
    return Refusal{Alert::kUnexpectedMessage, "an alert record that is not one alert"};
  }
  // The level says nothing: all but two alerts are fatal (RFC 8446 section 6).
  const auto alert = static_cast<Alert>(content[1]);
  if (alert == Alert::kCloseNotify) {
    peer_closed_ = true;
  } else if (alert != Alert::kUserCanceled) {
    peer_alert_text_ = peer_alert_text(static_cast<int>(alert));
  }
  return {};
}

Refused OwnRecordLayer::act_on_handshake(std::span<const std::byte> content) {
  if (content.empty()) return Refusal{Alert::kUnexpectedMessage, "an empty handshake record"};
  const auto found = messages_.read(content);
  if (!found) return found.error();
  if (*found == PostHandshake::Found::kNothing) return {};
  if (!theirs_.update()) return Refusal{Alert::kInternalError, "deriving the peer's next keys"};
  update_asked_ = false;
  if (*found == PostHandshake::Found::kKeyUpdateRequested) update_due_ = true;
  return {};
}

std::unexpected<Error> OwnRecordLayer::fail_for_good(const Refusal& refusal, std::string& out) {
  if (!closed_) append_alert(kFatal, refusal.alert, out);
  dead_ = true;
  return fail(ErrorCode::kTls, refusal.text, peer_origin_);
}

bool OwnRecordLayer::append(ContentType type, Parts content, std::size_t size, std::string& out) {
  if (ours_.sequence() > limits_.last_sequence) return false;
  const std::size_t before = out.size();
  const std::size_t after = before + size + kRecordOverhead;
  bool sealed = false;
  out.resize_and_overwrite(after, [&](char* data, std::size_t) {
    sealed = ours_.seal(type, content, size, data + before);
    return sealed ? after : before;
  });
  return sealed;
}

bool OwnRecordLayer::append_alert(std::uint8_t level, Alert alert, std::string& out) {
  const std::array content{std::byte{level}, static_cast<std::byte>(alert)};
  return append(ContentType::kAlert, content, out);
}

// Before our next data: when the peer asked, when our key has protected enough, or to ask a peer
// whose own has (RFC 8446 sections 4.6.3 and 5.5). Sent with data only, so that a peer that asks
// again and again gets one answer.
bool OwnRecordLayer::update_ours_if_due(std::string& out) {
  const bool ask = !update_asked_ && theirs_.sequence() >= limits_.records_per_key;
  if (!ask && !update_due_ && ours_.sequence() < limits_.records_per_key) return true;
  const std::array message{std::byte{24}, std::byte{0}, std::byte{0}, std::byte{1},
                           std::byte{ask ? std::uint8_t{1} : std::uint8_t{0}}};
  if (!append(ContentType::kHandshake, message, out) || !ours_.update()) return false;
  update_due_ = false;
  update_asked_ = update_asked_ || ask;
  return true;
}

Result<void> OwnRecordLayer::seal_parts(Parts parts, std::string& out) {
  if (dead_) return fail(ErrorCode::kTls, "TLS connection has failed", peer_origin_);
  if (closed_) return fail(ErrorCode::kClosed, "we have closed the TLS connection");
  std::size_t left = 0;
  for (const auto part : parts) left += part.size();
  const std::size_t records = (left + kMaxRecordPlaintext - 1) / kMaxRecordPlaintext;
  out.reserve(out.size() + left + records * kRecordOverhead);
  std::size_t taken = 0;  // of parts.front()
  while (left > 0) {
    const std::size_t size = std::min(left, kMaxRecordPlaintext);
    record_.clear();
    for (std::size_t wanted = size; wanted > 0;) {
      const auto part = parts.front().subspan(taken);
      record_.push_back(part.first(std::min(wanted, part.size())));
      wanted -= record_.back().size();
      taken += record_.back().size();
      if (taken == parts.front().size()) {
        parts = parts.subspan(1);
        taken = 0;
      }
    }
    left -= size;
    if (!update_ours_if_due(out) || !append(ContentType::kApplicationData, record_, size, out)) {
      dead_ = true;
      return fail(ErrorCode::kTls, "sealing a TLS record");
    }
  }
  return {};
}

void OwnRecordLayer::close(std::string& out) {
  if (dead_ || std::exchange(closed_, true)) return;
  append_alert(kWarning, Alert::kCloseNotify, out);
}

}  // namespace

Result<std::unique_ptr<RecordLayer>> make_own_record_layer(RecordSecrets secrets, bool server,
                                                           std::string received,
                                                           RecordLimits limits) {
  if (secrets.suite == nullptr) return fail(ErrorCode::kTls, "records of an unknown cipher suite");
  auto ours = RecordKeys::make(*secrets.suite, std::move(secrets.ours), RecordKeys::Use::kSeal);
  auto theirs = RecordKeys::make(*secrets.suite, std::move(secrets.theirs), RecordKeys::Use::kOpen);
  if (!ours || !theirs) return fail(ErrorCode::kTls, "deriving the keys of TLS records");
  return std::make_unique<OwnRecordLayer>(std::move(*ours), std::move(*theirs), server,
                                          std::move(received), limits);
}

}  // namespace culvert::tls
