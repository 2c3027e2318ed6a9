#include "control.hpp"

#include <algorithm>

#include "culvert/io/byte_stream.hpp"
#include "culvert/xds/certificate_messages.hpp"

namespace culvert::sim {

using grpc::Status;
using grpc::StatusCode;
using io::Task;

namespace {

constexpr std::uint16_t kFirstPort = 1;

const IpAddress& home() {
  static const IpAddress address = IpAddress::v4(10, 255, 0, 1);
  return address;
}

// Signs whatever a node asks for: whether it may is judged in agent/control, and tested there.
class Signing final : public grpc::Method {
 public:
  Signing(const certs::CertificateAuthority& authority, std::chrono::seconds lifetime)
      : authority_(authority), lifetime_(lifetime) {}

  Task<Status> serve(grpc::ServerCall& call) override {
    const auto wire = co_await call.read();
    if (!wire) co_return call.status();
    const auto request = xds::parse_certificate_request(*wire);
    if (!request) co_return Status{StatusCode::kInvalidArgument, request.error().to_string()};
    const auto chain = authority_.sign(request->csr_pem, request->identity, lifetime_);
    if (!chain) co_return Status{StatusCode::kInvalidArgument, chain.error().to_string()};
    co_await call.write(xds::serialize_chain(*chain));
    co_return call.status();
  }

 private:
  const certs::CertificateAuthority& authority_;
  const std::chrono::seconds lifetime_;
};

}  // namespace

// One process of control.
struct SimControl::Life {
  Life(Network& network, int netns, const certs::CertificateAuthority& authority,
       std::chrono::seconds lifetime)
      : signing(authority, lifetime), thread(network, netns) {
    discovery.add_to(server);
    server.add(xds::kCreateCertificateMethod, signing);
  }

  xds::Server discovery;
  Signing signing;
  grpc::Server server;
  std::vector<std::weak_ptr<Socket>> sockets;
  LoopThread thread;  // last: it uses the others
};

SimControl::SimControl(Network& network, const certs::CertificateAuthority& authority,
                       std::chrono::seconds lifetime)
    : network_(network),
      authority_(authority),
      lifetime_(lifetime),
      netns_(network.add_namespace({home()}, false)),
      resources_(std::make_shared<const xds::ResourceSet>()) {}

SimControl::~SimControl() = default;

void SimControl::bury() {
  lives_.clear();
}

void SimControl::add_node(const std::string& name, const std::string& path) {
  const auto port = static_cast<std::uint16_t>(kFirstPort + ports_.size());
  ports_[name] = port;
  attempts_[name] = 0;
  network_.name_socket(path, {home(), port}, [this, name] { ++attempts_[name]; });
}

void SimControl::start() {
  lives_.push_back(std::make_unique<Life>(network_, netns_, authority_, lifetime_));
  running_ = lives_.back().get();
  serve(resources_);
  for (const auto& [node, port] : ports_) {
    network_.listen(netns_, port,
                    [this, name = node](const SocketPtr& accepted) { take(name, accepted); });
  }
}

void SimControl::take(const std::string& node, const SocketPtr& accepted) {
  if (running_ == nullptr) return network_.close(accepted->fd);  // it died between SYN and accept
  running_->sockets.push_back(accepted);
  running_->thread.loop().post([life = running_, node, fd = accepted->fd] {
    life->thread.loop().root().spawn(
        [](Life* self, int raw_fd, std::string name) -> Task<> {
          (void)co_await self->server.serve(std::make_unique<io::FdStream>(UniqueFd(raw_fd)),
                                            std::move(name));
        },
        life, fd, node);
  });
}

void SimControl::serve(xds::ResourceSetPtr resources) {
  resources_ = std::move(resources);
  if (running_ == nullptr) return;
  running_->thread.loop().post(
      [life = running_, set = resources_] { life->discovery.set_resources(set); });
}

void SimControl::kill() {
  for (const auto& socket : running_->sockets) {
    if (const SocketPtr open = socket.lock(); open != nullptr && !open->closed) network_.cut(open);
  }
  stop();
}

void SimControl::stop() {
  for (const auto& [node, port] : ports_) network_.stop_listening(netns_, port);
  running_->thread.loop().stop();
  running_ = nullptr;
}

xds::NodeStatus SimControl::status(const std::string& name) const {
  if (running_ == nullptr) return {};
  const auto& nodes = running_->discovery.nodes();
  const auto found = nodes.find(name);
  return found == nodes.end() ? xds::NodeStatus() : found->second;
}

}  // namespace culvert::sim
