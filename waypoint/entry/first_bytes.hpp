// The first bytes of a connection: read to learn what it speaks, and given on behind that to
// whoever serves it.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "culvert/http/protocol.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/task.hpp"
#include "culvert/proxy/relay.hpp"
#include "culvert/proxy/stream_end.hpp"

namespace culvert::waypoint {

struct FirstBytes {
  http::Detected speaks = http::Detected::kMore;  // kMore: nothing, or too little, came in time
  std::string bytes;
  bool ended = false;  // the client's direction, behind them
};

/// http::detect_protocol() of all that a client has said.
http::Detected detect(std::string_view said, bool ended);

/// Reads on, behind what `out` has, until it is clear what the client speaks, its direction ends,
/// or the deadline has passed: it may wait for its server to speak first. Errors: the connection's.
template <class End>
io::Task<Result<void>> read_first_bytes(End* from, FirstBytes* out, io::Deadline deadline) {
  while (out->speaks == http::Detected::kMore && !out->ended) {
    auto part = co_await from->read(deadline);
    if (!part && part.error().code == ErrorCode::kTimeout) break;
    if (!part) co_return std::unexpected(part.error());
    using proxy::detail::bytes_of;
    using proxy::detail::is_nothing;
    if (is_nothing(*part)) continue;
    out->ended = part->empty();
    const auto bytes = bytes_of(*part);
    out->bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    from->passed_on(*part);
    out->speaks = detect(out->bytes, out->ended);
  }
  co_return Result<void>();
}

/// An end of a relay whose first bytes were read before.
template <class End>
class ReadEnd {
  using Awaited = decltype(std::declval<End&>().read(io::Deadline()));
  using Inner = typename decltype(std::declval<Awaited&>().await_resume())::value_type;

 public:
  ReadEnd(End& end, std::string first) : end_(end), first_(std::move(first)) {}

  struct Part {
    std::span<const std::uint8_t> first;
    Inner inner;
    bool empty() const { return first.empty() && inner.empty(); }
    friend std::span<const std::uint8_t> bytes_of(const Part& part) {
      using proxy::detail::bytes_of;
      return part.first.empty() ? bytes_of(part.inner) : part.first;
    }
    friend bool is_nothing(const Part& part) {
      using proxy::detail::is_nothing;
      return part.first.empty() && is_nothing(part.inner);
    }
  };

  class [[nodiscard]] Read {
   public:
    Read(ReadEnd& end, io::Deadline deadline)
        : first_(end.first_), inner_(end.end_.read(deadline)) {}
    bool await_ready() const noexcept { return !first_.empty() || inner_.await_ready(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) {
      return inner_.await_suspend(handle);
    }
    Result<Part> await_resume() {
      if (!first_.empty()) {
        return Part{{reinterpret_cast<const std::uint8_t*>(first_.data()), first_.size()}, {}};
      }
      auto part = inner_.await_resume();
      if (!part) return std::unexpected(part.error());
      return Part{{}, std::move(*part)};
    }

   private:
    const std::string& first_;
    Awaited inner_;
  };

  Read read(io::Deadline deadline) { return {*this, deadline}; }
  [[nodiscard]] [[clang::coro_wrapper]] auto write(std::span<const std::uint8_t> bytes,
                                                   io::Deadline deadline) {
    return end_.write(bytes, deadline);
  }
  void passed_on(Part& part) {
    if (part.first.empty()) return end_.passed_on(part.inner);
    first_.clear();
    first_.shrink_to_fit();
  }
  void finish(bool last) { end_.finish(last); }
  void reset() { end_.reset(); }

 private:
  End& end_;
  std::string first_;
};

/// What became of a connection whose protocol was not known when client and server were joined.
enum class Turned : std::uint8_t {
  kNot,          // it stayed what it was joined as
  kToHttp,       // the client speaks HTTP; of its first line the server has seen a part at most
  kServerHttp2,  // the server began with HTTP/2's SETTINGS: what the client will say is HTTP too
};

/// The end of a client that did not say in time what it speaks, joined with its server. Nothing is
/// held back, but the client's first bytes are looked at until they are decided (kMaxDetectBytes at
/// most). When they turn out to be HTTP, the relay fails and leaves the client as it is: turned()
/// and take_first(). If the server was the first to speak, it is no HTTP, whatever comes. If it
/// spoke behind half a line, or spoke HTTP itself, HTTP has no way to begin: both ends are reset.
class UndecidedEnd {
 public:
  /// `first`: what was read before, for whoever passes it on too; undecided (kMore).
  UndecidedEnd(proxy::StreamEnd& end, std::string first) : end_(end), first_(std::move(first)) {}

  class [[nodiscard]] Read {
   public:
    Read(UndecidedEnd& end, io::Deadline deadline) : end_(end), inner_(end.end_.read(deadline)) {}
    bool await_ready() const noexcept { return inner_.await_ready(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> handle) {
      return inner_.await_suspend(handle);
    }
    Result<proxy::StreamPart> await_resume() { return end_.look_at(inner_.await_resume()); }

   private:
    UndecidedEnd& end_;
    proxy::StreamEnd::Read inner_;
  };

  Read read(io::Deadline deadline) { return {*this, deadline}; }
  [[clang::coro_wrapper]] io::Task<Result<void>> write(std::span<const std::uint8_t> bytes,
                                                       io::Deadline deadline) {
    return hear_server(bytes) ? end_.write(bytes, deadline) : give_server_up();
  }
  void passed_on(proxy::StreamPart& part) { end_.passed_on(part); }
  void finish(bool last) {
    server_spoke_ = true;  // its end is its last word: there is no way back
    end_.finish(last);
  }
  void reset() {
    if (turned_ == Turned::kNot) end_.reset();
  }

  /// When the relay is over.
  Turned turned() const { return turned_; }
  /// All that the client said, unless kNot.
  FirstBytes take_first() { return std::move(out_); }

 private:
  Result<proxy::StreamPart> look_at(Result<proxy::StreamPart> part);
  /// False: what the server said is not for the client.
  bool hear_server(std::span<const std::uint8_t> bytes);
  static io::Task<Result<void>> give_server_up();

  proxy::StreamEnd& end_;
  std::string first_;  // what the client has said, until it is decided
  bool decided_ = false;
  bool server_spoke_ = false;
  Turned turned_ = Turned::kNot;
  FirstBytes out_;
};

/// A byte stream whose first bytes were read before.
class ReadBytes final : public io::ByteStream {
 public:
  ReadBytes(std::string first, std::unique_ptr<io::ByteStream> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}

  io::Task<Result<std::span<const std::uint8_t>>> read(io::Deadline deadline) override;
  [[clang::coro_wrapper]] io::Task<Result<void>> write(std::span<const std::uint8_t> bytes,
                                                       io::Deadline deadline) override {
    return rest_->write(bytes, deadline);
  }
  [[clang::coro_wrapper]] io::Task<Result<void>> write_parts(Parts parts,
                                                             io::Deadline deadline) override {
    return rest_->write_parts(parts, deadline);
  }
  [[clang::coro_wrapper]] io::Task<> finish(io::Deadline deadline) override {
    return rest_->finish(deadline);
  }
  void abort() override { rest_->abort(); }
  void free_idle_buffers() override { rest_->free_idle_buffers(); }

 private:
  std::string first_;
  bool given_ = false;
  std::unique_ptr<io::ByteStream> rest_;
};

}  // namespace culvert::waypoint
