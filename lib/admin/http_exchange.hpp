// One HTTP exchange on a connected socket. cpp-httplib parses and writes; the socket, its bounds
// and its deadline are ours (http_exchange.cpp is the one place that includes httplib.h).
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "culvert/admin/http_server.hpp"

namespace culvert::admin {

class HttpExchange {
 public:
  explicit HttpExchange(std::vector<Route> routes);
  ~HttpExchange();
  /// Reads one request, runs its handler, writes the answer. Any thread, several at a time.
  void serve(int fd, std::chrono::milliseconds io_timeout);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace culvert::admin
