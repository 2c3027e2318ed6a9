// One unary call; what the chain says is judged by lib/certs.
#include "culvert/xds/certificate_client.hpp"

namespace culvert::xds {

io::Task<std::expected<std::vector<std::string>, grpc::Status>> CertificateClient::create(
    CertificateRequest request, std::chrono::milliseconds timeout) {
  grpc::CallOptions options;
  options.deadline = io::in(timeout);
  options.metadata = metadata_;
  options.max_message_bytes = kMaxChainBytes;
  const auto answer =
      co_await channel_.unary(kCreateCertificateMethod, serialize(request), options);
  if (!answer) co_return std::unexpected(answer.error());
  auto chain = parse_chain(*answer);
  if (!chain)
    co_return std::unexpected(grpc::Status{grpc::StatusCode::kInternal, chain.error().text});
  co_return std::move(*chain);
}

[[clang::coro_wrapper]] io::Task<> CertificateClient::close() {
  return channel_.close();
}

}  // namespace culvert::xds
