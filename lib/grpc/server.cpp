#include "culvert/grpc/server.hpp"

#include "culvert/io/loop.hpp"

namespace culvert::grpc {
namespace {

io::Deadline deadline_of(const Metadata& request) {
  const std::string* timeout = h2::find(request, "grpc-timeout");
  const auto parsed = timeout != nullptr ? parse_timeout(*timeout) : std::nullopt;
  const auto now = io::Loop::current().now();
  if (!parsed || *parsed >= io::kNoDeadline - now) return io::kNoDeadline;
  return now + *parsed;
}

// What is no gRPC call at all is answered in HTTP; nullptr: it is one.
const char* http_refusal(const h2::Headers& request) {
  const std::string* method = h2::find(request, ":method");
  if (method == nullptr || *method != "POST") return "405";
  const std::string* type = h2::find(request, "content-type");
  return type != nullptr && type->starts_with("application/grpc") ? nullptr : "415";
}

}  // namespace

void Server::add(std::string path, Method& method, std::size_t max_message_bytes) {
  methods_[std::move(path)] = {&method, max_message_bytes};
}

io::Task<Result<void>> Server::serve(std::unique_ptr<io::ByteStream> bytes, std::string peer,
                                     h2::Options options) {
  io::Scope calls;
  auto connection =
      h2::Connection::server(std::move(bytes), options, [this, &calls, &peer](h2::Stream stream) {
        calls.spawn(
            [](Server* self, h2::Stream s, std::string p) -> io::Task<> {
              co_await self->answer(std::move(s), std::move(p));
            },
            this, std::move(stream), peer);
      });
  const auto ended = co_await connection->run();
  calls.request_stop();
  co_await calls.join();
  co_return ended;
}

io::Task<> Server::answer(h2::Stream stream, std::string peer) {
  if (const char* refusal = http_refusal(stream.request())) {
    (void)stream.send_headers({{":status", refusal}}, true);
    co_return;
  }
  const std::string* path = h2::find(stream.request(), ":path");
  const auto found = path != nullptr ? methods_.find(*path) : methods_.end();
  const bool known = found != methods_.end();
  const auto deadline = deadline_of(stream.request());
  ServerCall call(std::move(stream), std::move(peer), deadline,
                  known ? found->second.max_message_bytes : 0);
  if (!known) {
    call.end({StatusCode::kUnimplemented, "no such method"});
    co_return;
  }
  const Status status = co_await found->second.method->serve(call);
  call.end(status);
}

}  // namespace culvert::grpc
