// The client of requests over HTTP/2, GETs or unary gRPC calls: several at once on each of its kept
// connections, as fast as they are answered or at a fixed rate (Pace).
#include <array>
#include <cerrno>
#include <deque>
#include <memory>
#include <vector>

#include "bench/clients.hpp"
#include "bench/h2_link.hpp"
#include "bench/http.hpp"
#include "bench/message.hpp"
#include "bench/pace.hpp"

namespace culvert::bench {
namespace {

struct Link;

// A place for one request at a time; a connection has `streams` of them.
struct Slot {
  Link* link = nullptr;
  std::uint64_t due_ns = 0;
  MessageSource message;  // gRPC
  MessageCheck answer;
  bool right = true;       // so far
  bool succeeded = false;  // ":status" 200
  bool grpc_ok = false;
};

class H2Requests;

struct Link {
  explicit Link(H2Requests* client);
  H2Link h2;
  UniqueFd fd;
  bool waits_to_write = false;
  bool touched = false;  // has requests that were not sent yet
};

class H2Requests {
 public:
  H2Requests(const Target& target, const RequestOptions& options)
      : target_(target), options_(options), pace_(options) {}

  int run() {
    auto fds = connect_all(target_.address, options_.connections, failures_);
    if (failures_.count() > 0) return pace_.print(failures_);
    for (UniqueFd& fd : fds) add(std::move(fd));
    // A connection after the other within each turn: all take part.
    for (unsigned i = 0; i < options_.streams; ++i)
      for (const auto& link : links_) {
        slots_.push_back(std::make_unique<Slot>(Slot{.link = link.get()}));
        idle_.push_back(slots_.back().get());
      }
    pace_.start();
    send_due();
    while (failures_.count() == 0 && (!pace_.ended(now_ns()) || busy_ > 0)) {
      if (now_ns() > pace_.give_up_ns()) {
        failures_.add("answer", ETIMEDOUT);
        break;
      }
      for (const epoll_event& event : poller_.wait(pace_.next_wake(busy_, !idle_.empty())))
        advance(*by_fd_[static_cast<std::size_t>(event.data.fd)]);
      send_due();
    }
    return pace_.print(failures_);
  }

  void header(Slot& slot, std::string_view name, std::string_view value) const {
    if (name == ":status") slot.succeeded = value == "200";
    if (name == "grpc-status") slot.grpc_ok = value == "0";
  }

  void closed(Slot& slot, std::uint32_t code) {
    --busy_;
    idle_.push_back(&slot);
    if (code != NGHTTP2_NO_ERROR) return failures_.add("stream reset", 0);
    if (!slot.right || !slot.succeeded || !slot.answer.whole() || slot.grpc_ok != options_.grpc)
      return failures_.wrong("answer");
    pace_.answered(slot.due_ns, now_ns());
  }

 private:
  void add(UniqueFd fd) {
    const auto index = static_cast<std::size_t>(fd.get());
    if (by_fd_.size() <= index) by_fd_.resize(index + 1);
    links_.push_back(std::make_unique<Link>(this));
    by_fd_[index] = links_.back().get();
    links_.back()->fd = std::move(fd);
    poller_.add(links_.back()->fd.get(), EPOLLIN);
  }

  void send_due() {
    const std::uint64_t now = now_ns();
    while (!idle_.empty()) {
      const auto due = pace_.take_due(now);
      if (!due) break;
      Slot& slot = *idle_.front();
      idle_.pop_front();
      slot.due_ns = *due;
      begin(slot);
    }
    for (const auto& link : links_)
      if (link->touched) flush(*link);
  }

  void begin(Slot& slot);

  void flush(Link& link) {
    link.touched = false;
    over_unless(link.h2.flush(link.fd.get()));
    const bool waits = link.h2.blocked();
    if (waits != link.waits_to_write) {
      link.waits_to_write = waits;
      poller_.modify(link.fd.get(), waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
  }

  void advance(Link& link) {
    over_unless(link.h2.read(link.fd.get()));
    flush(link);
  }

  void over_unless(bool open) {
    if (!open) failures_.add("connection", 0);
  }

  Target target_;
  RequestOptions options_;
  Pace pace_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<Link*> by_fd_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<Slot*> idle_;  // the one that rested longest first
  Poller poller_;
  Failures failures_;
  unsigned busy_ = 0;
};

struct Callbacks {
  static Slot* slot(nghttp2_session* session, std::int32_t id) {
    return static_cast<Slot*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    if (Slot* one = slot(session, frame->hd.stream_id))
      static_cast<H2Requests*>(user)->header(*one, as_text(name, name_size),
                                             as_text(value, value_size));
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                  const std::uint8_t* bytes, std::size_t size, void*) {
    Slot* one = slot(session, id);
    if (one && !one->answer.take(as_text(bytes, size))) one->right = false;
    return 0;
  }

  static int closed(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    if (Slot* one = slot(session, id)) static_cast<H2Requests*>(user)->closed(*one, code);
    return 0;
  }

  static ssize_t send_message(nghttp2_session* session, std::int32_t id, std::uint8_t* into,
                              std::size_t size, std::uint32_t* flags, nghttp2_data_source*, void*) {
    MessageSource& message = slot(session, id)->message;
    const std::size_t n = message.read({into, size});
    if (message.ended()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  static const nghttp2_session_callbacks* all() {
    static const H2Callbacks made = [] {
      H2Callbacks out = new_h2_callbacks();
      nghttp2_session_callbacks_set_on_header_callback(out.get(), header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out.get(), data);
      nghttp2_session_callbacks_set_on_stream_close_callback(out.get(), closed);
      return out;
    }();
    return made.get();
  }
};

Link::Link(H2Requests* client) : h2(false, Callbacks::all(), client) {}

void H2Requests::begin(Slot& slot) {
  const std::uint64_t stream = pace_.number();
  slot = Slot{.link = slot.link,
              .due_ns = slot.due_ns,
              .message = MessageSource(stream, kGrpcMessageBytes, true),
              .answer = MessageCheck(stream, target_.answer_bytes, options_.grpc)};
  const std::string path = bytes_path(target_.answer_bytes, stream);
  const std::array<nghttp2_nv, 6> fields{
      h2_field(":method", options_.grpc ? "POST" : "GET"), h2_field(":scheme", "http"),
      h2_field(":authority", target_.authority),           h2_field(":path", path),
      h2_field("content-type", "application/grpc"),        h2_field("te", "trailers")};
  const nghttp2_data_provider message{{}, Callbacks::send_message};
  const std::size_t count = options_.grpc ? fields.size() : 4;  // a GET has pseudo-headers only
  const std::int32_t id = nghttp2_submit_request(slot.link->h2.session(), nullptr, fields.data(),
                                                 count, options_.grpc ? &message : nullptr, &slot);
  if (id < 0) return failures_.add("request", 0);
  ++busy_;
  slot.link->touched = true;
}

}  // namespace

int run_h2_requests(const Target& target, const RequestOptions& options) {
  return H2Requests(target, options).run();
}

}  // namespace culvert::bench
