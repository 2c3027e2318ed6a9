#include "two_nodes.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "culvert/mesh/policy_change.hpp"

namespace culvert::testing {
namespace {

constexpr const char* kNetwork = "network";

SocketAddress local_address(int fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &size) == 0);
  return *SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&raw));
}

UniqueFd listen_at(const SocketAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage raw{};
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), address.to_sockaddr(raw)) == 0);
  REQUIRE(::listen(fd.get(), 64) == 0);
  return fd;
}

mesh::Workload workload(const std::string& node, const IpAddress& ip) {
  mesh::Workload out;
  out.uid = "Kubernetes//Pod/shopping/" + node + "-pod-5d9c7b8f6-abcde";
  out.name = node + "-pod-5d9c7b8f6-abcde";
  out.ns = "shopping";
  out.network = kNetwork;
  out.addresses = {ip};
  out.protocol = mesh::TunnelProtocol::kHbone;
  out.trust_domain = "cluster.local";
  out.service_account = node + "-account";
  out.node = node;
  out.canonical_name = node + "-application";
  out.canonical_revision = "latest";
  out.workload_name = node + "-deployment-name";
  out.cluster_id = "Kubernetes";
  out.locality = {"a-region-somewhere", "a-region-somewhere-b", ""};
  return out;
}

proxy::Credentials credentials(const test::Minted& root, const std::string& identity) {
  const auto leaf = test::mint_workload(root, identity);
  const tls::Credentials pem{leaf.certificate, leaf.private_key, root.certificate};
  auto client = tls::Context::create(tls::Role::kClient, pem);
  auto server = tls::Context::create(tls::Role::kServer, pem);
  REQUIRE((client && server));
  return {std::move(*client), std::move(*server)};
}

}  // namespace

Node::Node(std::string name, IpAddress ip, const test::Minted& root, const mesh::SnapshotPtr& mesh)
    : maps_(*bpf::SocketMaps::open("")),
      nowhere_(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
      lines_(nowhere_.get()) {
  settings_.node = name;
  settings_.network = kNetwork;
  const auto own = workload(name, ip);
  auto pod = std::make_shared<ztunnel::Pod>();
  pod->uid = "uid-of-" + own.name;
  pod->ns = own.ns;
  pod->name = own.name;
  pod->service_account = own.service_account;
  pod_ = std::move(pod);
  auto loop = io::Loop::create();
  REQUIRE(loop.has_value());
  worker_ = std::make_unique<ztunnel::Worker>(
      settings_, maps_, budget_, trust_, proxy::Reporter(metrics_.worker(0), lines_, false, {}),
      std::move(*loop), 100'000);
  thread_ = std::thread([this] { worker_->run(); });
  const std::string identity = own.identity().to_string();
  worker_->post([mesh, identity, made = credentials(root, identity)](ztunnel::Worker& w) {
    w.take_snapshot(mesh, mesh::policy_change(mesh::Snapshot(), *mesh));
    w.take_credentials(identity, made);
  });
}

Node::~Node() {
  worker_->stop_all();
  thread_.join();
}

void Node::serve(bpf::ListenerKind kind, UniqueFd listener) {
  std::vector<ztunnel::Listener> listeners;
  listeners.push_back({std::move(listener), kind, AF_INET, 0});
  auto shared = std::make_shared<const std::vector<ztunnel::Listener>>(std::move(listeners));
  worker_->post([pod = pod_, shared](ztunnel::Worker& w) { w.add_pod(pod, shared, 0); });
}

TwoNodes::TwoNodes() {
  const auto number = static_cast<unsigned>(::getpid());
  server_ip_ = IpAddress::v4(127, static_cast<std::uint8_t>(1 + number / 65536 % 200),
                             static_cast<std::uint8_t>(number / 256),
                             static_cast<std::uint8_t>(1 + number % 250));
  const IpAddress client_ip = IpAddress::v4(127, 0, 0, 1);
  mesh::Delta delta;
  delta.workloads = {workload("east", client_ip), workload("west", server_ip_)};
  const auto mesh = mesh::apply(mesh::Snapshot(), std::move(delta));
  east_ = std::make_unique<Node>("east", client_ip, root_, mesh);
  west_ = std::make_unique<Node>("west", server_ip_, root_, mesh);
  UniqueFd captured = listen_at({client_ip, 0});
  captured_at_ = local_address(captured.get());
  east_->serve(bpf::ListenerKind::kOutbound, std::move(captured));
  west_->serve(bpf::ListenerKind::kHbone, listen_at({server_ip_, mesh::kHbonePort}));
  server_ = listen_at({server_ip_, 0});
  set_original_destination(local_address(server_.get()));
}

Pair TwoNodes::connect() {
  Pair out;
  sockaddr_storage raw{};
  out.client = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(out.client.get(), reinterpret_cast<sockaddr*>(&raw),
                    captured_at_.to_sockaddr(raw)) == 0);
  out.server = UniqueFd(::accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(out.server.valid());
  char byte = 'c';
  for (const auto& [from, to] : {std::pair(&out.client, &out.server), {&out.server, &out.client}}) {
    REQUIRE(::write(from->get(), &byte, 1) == 1);
    REQUIRE(::read(to->get(), &byte, 1) == 1);
  }
  return out;
}

std::size_t TwoNodes::carried() {
  const auto live = [](ztunnel::Worker& w) { return w.live().size(); };
  return east_->ask(live) + west_->ask(live);
}

}  // namespace culvert::testing
