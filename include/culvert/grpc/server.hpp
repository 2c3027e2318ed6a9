// A gRPC server: methods by path, served on connections that someone else accepted. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "culvert/grpc/call.hpp"
#include "culvert/h2/options.hpp"
#include "culvert/io/byte_stream.hpp"
#include "culvert/io/scope.hpp"

namespace culvert::grpc {

/// One method. Outlives the server that it was added to.
class Method {
 public:
  /// Serves one call; the Status it returns ends it. Runs on a fiber of its own, which is stopped
  /// when the connection ends.
  virtual io::Task<Status> serve(ServerCall& call) = 0;

 protected:
  ~Method() = default;
};

class Server {
 public:
  /// `path` is "/package.Service/Method"; `max_message_bytes` bounds one received message.
  void add(std::string path, Method& method,
           std::size_t max_message_bytes = kDefaultMaxMessageBytes);

  /// Serves one connection until it ends, all its calls with it; returns why, as
  /// h2::Connection::run() does. `peer` is what methods see as ServerCall::peer(). The server
  /// outlives it.
  io::Task<Result<void>> serve(std::unique_ptr<io::ByteStream> bytes, std::string peer,
                               h2::Options options = h2::Options::server());

 private:
  struct Entry {
    Method* method;
    std::size_t max_message_bytes;
  };
  io::Task<> answer(h2::Stream stream, std::string peer);

  std::map<std::string, Entry, std::less<>> methods_;
};

}  // namespace culvert::grpc
