// The threads of the admin server: one accepts, a few serve; between them a bounded queue of
// connections. Owned by whoever called on_unix_socket() or on_address().
#include "culvert/admin/http_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "http_exchange.hpp"
#include "listener.hpp"

namespace culvert::admin {
namespace {

class ThreadedServer final : public HttpServer {
 public:
  ThreadedServer(Listener listener, UniqueFd wake, std::vector<Route> routes, ServerOptions options)
      : listener_(std::move(listener)),
        wake_(std::move(wake)),
        exchange_(std::move(routes)),
        options_(options) {
    acceptor_ = std::thread(&ThreadedServer::accept_connections, this);
    for (unsigned i = 0; i < options.threads; ++i)
      threads_.emplace_back(&ThreadedServer::serve_connections, this);
  }
  ~ThreadedServer() override { stop(); }

  std::uint16_t port() const override { return listener_.port; }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
      waiting_.clear();
      for (const int fd : being_served_) ::shutdown(fd, SHUT_RD);
    }
    stop_accepting();
    join_all();
  }

  void finish() override {
    stop_accepting();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      finishing_ = true;
    }
    join_all();
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }

 private:
  void stop_accepting() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_.get(), &one, sizeof one);
    if (acceptor_.joinable()) acceptor_.join();
  }
  void join_all() {
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    if (!listener_.unix_path.empty()) ::unlink(listener_.unix_path.c_str());
    listener_.fd.reset();
  }

  void accept_connections() {
    while (true) {
      pollfd fds[2] = {{listener_.fd.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      ::poll(fds, 2, -1);
      if (fds[1].revents != 0) return;
      UniqueFd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) {
        // Out of descriptors: the connection stays in the backlog, so do not spin on it.
        if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 100);
        continue;
      }
      const std::lock_guard lock(mutex_);
      if (stopping_ || waiting_.size() >= options_.waiting) continue;
      waiting_.push_back(std::move(fd));
      changed_.notify_one();
    }
  }

  void serve_connections() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || finishing_ || !waiting_.empty(); });
      if (stopping_ || waiting_.empty()) return;
      const UniqueFd fd = std::move(waiting_.front());
      waiting_.pop_front();
      being_served_.insert(fd.get());
      lock.unlock();
      exchange_.serve(fd.get(), options_.io_timeout);
      ::shutdown(fd.get(), SHUT_WR);
      lock.lock();
      being_served_.erase(fd.get());
    }
  }

  Listener listener_;
  UniqueFd wake_;
  HttpExchange exchange_;
  const ServerOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<UniqueFd> waiting_;
  std::set<int> being_served_;
  bool stopping_ = false;
  bool finishing_ = false;  // nothing is accepted any more; what waits is served

  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

Result<std::unique_ptr<HttpServer>> start(Result<Listener> listener, std::vector<Route> routes,
                                          ServerOptions options) {
  if (!listener) return std::unexpected(listener.error());
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) return fail_errno(errno, "create the admin server's eventfd");
  return std::make_unique<ThreadedServer>(std::move(*listener), std::move(wake), std::move(routes),
                                          options);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::on_unix_socket(const std::string& path,
                                                               std::vector<Route> routes,
                                                               ServerOptions options) {
  return start(listen_on_unix(path), std::move(routes), options);
}

Result<std::unique_ptr<HttpServer>> HttpServer::on_address(const SocketAddress& address,
                                                           std::vector<Route> routes,
                                                           ServerOptions options) {
  return start(listen_on_address(address), std::move(routes), options);
}

Result<std::unique_ptr<HttpServer>> HttpServer::on_listener(UniqueFd listener,
                                                            std::vector<Route> routes,
                                                            ServerOptions options) {
  return start(taken_over(std::move(listener)), std::move(routes), options);
}

Response error_response(int status, std::string_view error, std::string_view next) {
  nlohmann::ordered_json body = {{"error", error}, {"next", next}};
  return {.status = status,
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

}  // namespace culvert::admin
