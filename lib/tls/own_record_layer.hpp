// The record layer that is ours: AES-GCM straight between the caller's bytes and buffers, after
// OpenSSL has done the handshake (docs/decisions/0050-record-layer.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "culvert/base/error.hpp"
#include "culvert/tls/record_layer.hpp"
#include "culvert/tls/secret.hpp"
#include "key_schedule.hpp"

namespace culvert::tls {

/// Bounds of a connection's records; other values than these are for tests.
struct RecordLimits {
  /// Sealed under one key before our KeyUpdate, and opened before we ask the peer for its own.
  /// AES-GCM stays within RFC 8446 section 5.5's margin up to 2^24.5 full records.
  std::uint64_t records_per_key = std::uint64_t{1} << 24;
  /// The last number a record may have (RFC 8446 section 5.3: they never wrap).
  std::uint64_t last_sequence = UINT64_MAX - 1;
  /// Records without application data that a peer may send in a row: empty ones, tickets,
  /// KeyUpdates, user_canceled.
  unsigned quiet_records = 64;
};

/// What a finished handshake leaves to its records.
struct RecordSecrets {
  const Suite* suite = nullptr;
  Secret ours;    // traffic secret of what we send
  Secret theirs;  // of what we receive
};

/// `received` came after the peer's Finished and belongs to the first open(), which may be called
/// with nothing. kTls: secrets are missing or OpenSSL failed.
Result<std::unique_ptr<RecordLayer>> make_own_record_layer(RecordSecrets secrets, bool server,
                                                           std::string received,
                                                           RecordLimits limits = {});

}  // namespace culvert::tls
