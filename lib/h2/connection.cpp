#include "culvert/h2/connection.hpp"

#include "session.hpp"

namespace culvert::h2 {

std::unique_ptr<Connection> Connection::client(std::unique_ptr<io::ByteStream> bytes,
                                               Options options) {
  auto session = std::make_unique<Session>(false, std::move(bytes), options, nullptr);
  return std::unique_ptr<Connection>(new Connection(std::move(session)));
}

std::unique_ptr<Connection> Connection::server(std::unique_ptr<io::ByteStream> bytes,
                                               Options options, Handler handler) {
  auto session = std::make_unique<Session>(true, std::move(bytes), options, std::move(handler));
  return std::unique_ptr<Connection>(new Connection(std::move(session)));
}

Connection::Connection(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Connection::~Connection() = default;

[[clang::coro_wrapper]] io::Task<Result<void>> Connection::run() {
  return session_->run();
}
Result<Stream> Connection::open(const Headers& request, bool end_stream) {
  return session_->open(request, end_stream);
}
Result<Stream> Connection::open(FieldViews request, bool end_stream) {
  return session_->open(request, end_stream);
}
bool Connection::can_open() const {
  return session_->can_open();
}
bool Connection::peer_takes_extended_connect() const {
  return session_->peer_takes_extended_connect();
}
[[clang::coro_wrapper]] io::Task<Result<void>> Connection::handshake(io::Deadline deadline) {
  return session_->handshake(deadline);
}
std::size_t Connection::active_streams() const {
  return session_->active_streams();
}
bool Connection::draining() const {
  return session_->draining();
}
bool Connection::closed() const {
  return session_->over();
}
io::Deadline Connection::idle_since() const {
  return session_->idle_since();
}
io::Deadline Connection::last_received() const {
  return session_->last_received();
}
void Connection::free_idle_buffers() {
  session_->free_idle_buffers();
}
std::size_t Connection::buffered_bytes() const {
  return session_->buffered_bytes();
}
void Connection::drain() {
  session_->drain();
}
void Connection::abort(ErrorCode why) {
  session_->abort({why, Origin::kLocal, 0, "HTTP/2: the connection was cut"});
}
io::ByteStream& Connection::bytes() {
  return session_->bytes();
}

}  // namespace culvert::h2
