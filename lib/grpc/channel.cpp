#include "culvert/grpc/channel.hpp"

#include <sys/socket.h>

#include <cassert>
#include <cerrno>

#include "culvert/io/socket.hpp"

namespace culvert::grpc {

io::Task<Result<std::unique_ptr<io::ByteStream>>> UnixConnector::connect(io::Deadline deadline) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return fail_errno(errno, "create a Unix socket");
  const auto connected = co_await io::connect(fd.get(), path_.c_str(), deadline);
  if (!connected) co_return std::unexpected(connected.error());
  co_return std::make_unique<io::FdStream>(std::move(fd));
}

// Calls and the fiber that runs the connection hold it together.
struct Channel::Link {
  std::unique_ptr<h2::Connection> connection;
};

Channel::Channel(Connector& connector, h2::Options options)
    : connector_(connector), options_(options) {}

Channel::~Channel() {
  assert(scope_.empty() && "close() a channel before it dies");
}

io::Task<> Channel::run_link(std::shared_ptr<Link> link) {
  (void)co_await link->connection->run();
  if (link_ == link) link_.reset();
}

io::Task<Status> Channel::connect(io::Deadline deadline) {
  while (connecting_) {
    if (const auto woken = co_await connected_.wait(deadline); !woken) {
      co_return status_of(woken.error(), std::nullopt);
    }
  }
  if (link_ != nullptr && link_->connection->can_open()) co_return Status{};
  connecting_ = true;
  auto bytes = co_await connector_.connect(deadline);
  connecting_ = false;
  connected_.notify();
  if (!bytes) co_return Status{StatusCode::kUnavailable, bytes.error().to_string()};
  // A connection that drains or is full is left to its calls.
  if (link_ != nullptr) link_->connection->drain();
  link_ = std::make_shared<Link>(h2::Connection::client(std::move(*bytes), options_));
  scope_.spawn(
      [](Channel* self, std::shared_ptr<Link> link) -> io::Task<> {
        co_await self->run_link(std::move(link));
      },
      this, link_);
  co_return Status{};
}

io::Task<std::expected<std::string, Status>> Channel::unary(std::string path, std::string request,
                                                            CallOptions options) {
  if (scope_.stopping())
    co_return std::unexpected(Status{StatusCode::kCancelled, "the channel is closed"});
  if (const Status status = co_await connect(options.deadline); !status.ok()) {
    co_return std::unexpected(status);
  }
  const auto link = link_;
  co_return co_await grpc::unary(*link->connection, std::move(path), std::move(request),
                                 std::move(options));
}

io::Task<> Channel::close() {
  scope_.request_stop();
  co_await scope_.join();
}

}  // namespace culvert::grpc
