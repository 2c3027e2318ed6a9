#include "control.hpp"

#include "culvert/base/log.hpp"
#include "culvert/xds/certificate_messages.hpp"

namespace culvert::control {

Control::Control(io::Loop& loop, ControlSettings settings, certs::CertificateAuthority authority)
    : loop_(loop),
      folder_(settings.config_dir, settings.compile, settings.state_dir),
      watch_(settings.config_dir, [this] { (void)reload(); }),
      certificates_(std::move(authority), settings.certificate_lifetime),
      sockets_(settings.socket_dir, server_, loop.root()) {
  xds_.add_to(server_);
  server_.add(xds::kCreateCertificateMethod, certificates_, kMaxCertificateRequestBytes);
}

Result<void> Control::start() {
  if (auto watching = watch_.start(); !watching) return watching;
  folder_.restore();
  if (auto read = reload(); !read) return read;
  loop_.root().spawn([](NodeSockets* sockets) -> io::Task<> { co_await sockets->remove_stale(); },
                     &sockets_);
  loop_.root().spawn([](FolderWatch* watch) -> io::Task<> { co_await watch->run(); }, &watch_);
  return {};
}

Result<void> Control::reload() {
  const ViewPtr before = folder_.view();
  auto read = folder_.reload();
  if (folder_.view()->generation != before->generation || before->resources->types.empty())
    publish();
  return read;
}

void Control::publish() {
  const ViewPtr& view = folder_.view();
  certificates_.publish(view);
  xds_.set_resources(view->resources);
  std::set<std::string> nodes;
  for (const auto& [name, identities] : view->identities) nodes.insert(name);
  std::vector<std::string> gone;
  for (const auto& [name, status] : xds_.nodes()) {
    if (!nodes.contains(name)) gone.push_back(name);
  }
  sockets_.set_nodes(std::move(nodes));
  for (const std::string& name : gone) xds_.forget(name);
}

io::Task<SyncResult> Control::sync(io::Deadline deadline) {
  SyncResult result;
  result.folder_read = reload().has_value();
  result.acknowledged = co_await xds_.wait_acked(folder_.view()->generation, deadline);
  result.report = report();
  co_return result;
}

Report Control::report() const {
  Report out{.view = folder_.view(), .nodes = {}};
  for (const auto& [name, identities] : out.view->identities) {
    NodeReport node{.name = name, .xds = {}, .error = sockets_.error_of(name)};
    if (const auto found = xds_.nodes().find(name); found != xds_.nodes().end())
      node.xds = found->second;
    out.nodes.push_back(std::move(node));
  }
  return out;
}

}  // namespace culvert::control
