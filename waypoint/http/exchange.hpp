// Exchange: one HTTP request and its response, seen from either side, whatever version carries it.
// ServerExchange is the side of a client that asked us, ClientExchange that of an upstream which we
// ask; exchange/ stands between the two. Both are made by the connections of this folder, live on
// the loop of their worker, and move bodies part by part: nothing holds a whole body.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "culvert/base/error.hpp"
#include "culvert/http/fields.hpp"
#include "culvert/http/message.hpp"
#include "culvert/http/refusal.hpp"
#include "culvert/io/deadline.hpp"
#include "culvert/io/task.hpp"

namespace culvert::waypoint {

using Bytes = std::span<const std::uint8_t>;

/// Who stopped a handler.
enum class StoppedBy : std::uint8_t {
  kClient,       // its connection ended
  kClientReset,  // it reset the stream
  kIdleTime,     // nothing moved for ServerOptions::stream_idle_timeout: 408, if there was no head
  kOwner,  // who runs the connection: the end of a drain, a policy or certificate that changed
};

/// A client's request and the way back to it. It is given to a handler, a fiber of its own, which
/// is stopped (every operation fails with kCancelled) as soon as the client resets the stream or
/// its connection ends: so the client's going away cancels whatever the handler waits for. The
/// exchange outlives its handler. One fiber may read while another writes.
class ServerExchange {
 public:
  virtual ~ServerExchange() = default;

  /// Whole and judged; the handler may change it, or move it away.
  http::RequestHead& request() { return request_; }

  /// The next part of the request's body, valid until the next read; empty is its end, with the
  /// trailers there. Asking for the next part says that the last has been passed on (flow control).
  /// The first call sends 100 Continue to a client that waits for it, if no response has begun.
  /// After a 101 or the 200 of an extended CONNECT: the bytes of what the connection became. Errors
  /// have origin kClient: kProtocol, kLimit, kReset, kTimeout; and kCancelled.
  virtual io::Task<Result<Bytes>> read_body(io::Deadline deadline) = 0;
  /// What has come already; nullopt where read_body() would wait.
  virtual std::optional<Result<Bytes>> try_read_body() = 0;
  /// After the end of the body.
  virtual http::Fields& request_trailers() = 0;
  /// Why the body is refused, as soon as that is known; read_body() fails where it begins.
  virtual const http::Refusal* refusal() const { return nullptr; }
  /// Once an operation has failed with kCancelled, or with kReset.
  virtual StoppedBy stopped_by() const { return StoppedBy::kClient; }

  /// An informational response, before send_head(); what the client's version has no way for is
  /// left out.
  virtual void send_informational(const http::ResponseHead& head) = 0;
  /// The final response, or 101. `end`: nothing follows. It leaves with what follows, at the latest
  /// at the end of this turn of the loop. Once.
  virtual void send_head(const http::ResponseHead& head, bool end) = 0;
  /// A part of the body; waits while the client does not take it. The bytes are not touched any
  /// more once it has returned.
  virtual io::Task<Result<void>> write_body(Bytes bytes, io::Deadline deadline) = 0;
  /// write_body() where it need not wait; nullopt, and nothing was done, where it would, or might.
  virtual std::optional<Result<void>> try_write_body(Bytes /*bytes*/) { return std::nullopt; }
  /// The end of the body, with trailers if there are any. Waits until all of it was handed to the
  /// transport.
  virtual io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline) = 0;
  /// Cuts the response short so that the client cannot take it for a whole one: RST_STREAM with
  /// `http2_code`, or the connection is closed.
  virtual void reset(std::uint32_t http2_code) = 0;

 protected:
  http::RequestHead request_;
};

/// A request to an upstream, on a connection of a pool. Dropping it before its end cancels it
/// (RST_STREAM CANCEL; an HTTP/1.1 connection is closed); after its end the connection serves the
/// next one. One fiber may read while another writes. Errors have origin kUpstream: kRefused (not
/// processed: safe to send again), kReset, kTimeout (the deadline given), kProtocol (the response
/// is malformed); and kCancelled.
class ClientExchange {
 public:
  virtual ~ClientExchange() = default;

  /// Leaves with what follows, at the latest at the end of this turn. `end`: neither body nor
  /// trailers follow. kInvalid for a head that its version cannot carry.
  virtual Result<void> send_head(const http::RequestHead& head, bool end) = 0;
  virtual io::Task<Result<void>> write_body(Bytes bytes, io::Deadline deadline) = 0;
  virtual io::Task<Result<void>> finish(const http::Fields& trailers, io::Deadline deadline) = 0;
  /// write_body() of all that is left, and finish(), without waiting: it leaves at the latest at
  /// the end of this turn. nullopt, and nothing was done, where it would wait; some versions always
  /// do.
  virtual std::optional<Result<void>> try_send_rest(Bytes /*rest*/,
                                                    const http::Fields& /*trailers*/) {
    return std::nullopt;
  }

  /// The next head: informational ones as they come, then the final one (or 101). May come before
  /// the request has been sent. The caller may change it, or move it away.
  virtual io::Task<Result<http::ResponseHead*>> read_head(io::Deadline deadline) = 0;
  /// As ServerExchange::read_body.
  virtual io::Task<Result<Bytes>> read_body(io::Deadline deadline) = 0;
  virtual std::optional<Result<Bytes>> try_read_body() = 0;
  /// After the end of the body.
  virtual http::Fields& trailers() = 0;

  /// Some of the request may have reached the upstream.
  virtual bool request_sent() const = 0;
};

}  // namespace culvert::waypoint
