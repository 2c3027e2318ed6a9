// RequestBody: brings a request's body to the upstream of the attempt under way, beside the answer
// that comes back. One fiber reads the client and writes upstream, as fast as upstream takes it.
// What was read is kept, within bounds, so that another attempt gets it from its beginning.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/io/event.hpp"
#include "culvert/io/scope.hpp"
#include "waypoint/exchange/exchange.hpp"
#include "waypoint/exchange/mirror_feed.hpp"

namespace culvert::waypoint {

/// Read before there is an upstream to write it to.
inline constexpr std::size_t kUploadAheadBytes = 64U << 10;

/// What is stopped when the body fails, or time is up before it has come whole.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  virtual io::Task<> run() = 0;
};

class RequestBody {
 public:
  /// `keep`: for other attempts.
  RequestBody(Exchange& exchange, bool keep);
  ~RequestBody();  // stop() came before
  RequestBody(const RequestBody&) = delete;
  RequestBody& operator=(const RequestBody&) = delete;

  void mirror_to(std::shared_ptr<MirrorFeed> feed) { mirrors_.push_back(std::move(feed)); }
  /// Begins to read, where there is a body.
  void start();
  /// True while it waits for the client with bytes that an upstream has to get first: it must be
  /// stopped before attach(), or they would wait for the client's next ones.
  bool waits_with_bytes() const { return reading_ && !kept_.empty(); }
  /// From now on all of it goes to `upstream`, from its beginning; until detach().
  void attach(ClientExchange& upstream);
  /// True when stop() has to follow: something is being written to it.
  [[nodiscard]] bool detach();
  /// Another attempt was decided on, and detach() follows: nothing more goes to this upstream, so
  /// that nothing that the other one needs is given up meanwhile.
  void let_go() { upstream_ = nullptr; }
  /// The connection has become another protocol: its bytes go to `upstream` until its end.
  void start_tunnel(ClientExchange& upstream);
  /// Waits for the client's end of a tunnel whose upstream has ended. Errors: kTimeout when nothing
  /// came of it for half_open_timeout, else it was cut.
  io::Task<Result<void>> tunnel_ended();
  /// Ends reading, until attach(). At the latest at the end of the exchange.
  io::Task<> stop();
  /// Without, stop() does nothing.
  bool has_fiber() const { return pump_.has_value(); }

  /// timed_out() is of this one from now on.
  void begin_attempt() { timed_out_ = false; }
  /// Some of it has still to come, or to be sent: an attempt runs beside(). Else by itself, unless
  /// there is a failure().
  bool moves() const { return !failure_ && expected_ && (!ended_ || pumps()); }
  /// Runs `step` to its end, or until the body fails or Times::deadline() passes once it is whole.
  io::Task<> beside(Stoppable& step);

  /// No attempt will need it again.
  void keep_no_more();
  bool can_replay() const { return !lost_; }
  bool whole() const { return ended_; }
  /// The client's, or of its reading.
  const std::optional<Error>& failure() const { return failure_; }
  bool timed_out() const { return timed_out_; }

 private:
  static io::Scope::Child pump(RequestBody* self);
  static io::Scope::Child run_step(Stoppable* step);
  void spawn_pump();
  bool pumps() const { return pump_ && !pump_->empty(); }
  bool send_at_once();
  io::Task<bool> step();
  void read_ahead();
  void take(Bytes part);
  bool keep(Bytes part);
  void end();
  void fail(const Error& error);
  io::Task<bool> write_kept();
  io::Task<bool> write_through(Bytes part);
  bool written(const Result<void>& result);
  io::Task<bool> wait_for_change();
  void drop_kept();
  void stop_step();

  Exchange& exchange_;
  ServerExchange& client_;
  bool keeping_;
  bool expected_;          // there is something to read
  bool ended_ = false;     // all of it was read
  bool lost_ = false;      // some of it was sent and is not kept
  bool finished_ = false;  // upstream has its end
  bool timed_out_ = false;
  bool writing_ = false;
  bool reading_ = false;  // waits for the client
  std::optional<Error> failure_;
  ClientExchange* upstream_ = nullptr;
  std::string& kept_;
  std::size_t sent_ = 0;  // of kept_, to upstream_
  Bytes in_hand_;         // read, and neither kept nor sent; valid until the next read
  std::vector<std::shared_ptr<MirrorFeed>> mirrors_;
  io::Event changed_;
  io::Scope* step_ = nullptr;
  std::optional<io::Scope> pump_;
};

}  // namespace culvert::waypoint
