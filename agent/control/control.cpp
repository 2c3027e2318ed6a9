#include "control.hpp"

#include "culvert/base/log.hpp"
#include "culvert/xds/certificate_messages.hpp"
#include "peers.hpp"

namespace culvert::control {

namespace {

// A proxy asks policies about itself alone: those that select it are of its own namespace or the
// root namespace.
xds::Sight sight_of(const std::string& peer, const std::string& root_namespace) {
  if (!is_proxy(peer)) return {};
  return {.policies_of = {{std::string(namespace_of(peer)), root_namespace}}};
}

}  // namespace

Control::Control(io::Loop& loop, ControlSettings settings, certs::CertificateAuthority authority)
    : loop_(loop),
      folder_(settings.config_dir, settings.compile, settings.state_dir),
      watch_(settings.config_dir,
             [this](const FolderChange& change) { return reload(change).has_value(); }),
      xds_([root = settings.compile.root_namespace](const std::string& peer) {
        return sight_of(peer, root);
      }),
      certificates_(std::move(authority), settings.certificate_lifetime),
      sockets_(settings.socket_dir, server_, loop.root()) {
  xds_.add_to(server_);
  server_.add(xds::kCreateCertificateMethod, certificates_, kMaxCertificateRequestBytes);
}

Result<void> Control::start() {
  if (auto watching = watch_.start(); !watching) return watching;
  folder_.restore();
  if (auto read = reload({.all = true, .names = {}}); !read) return read;
  loop_.root().spawn([](PeerSockets* sockets) -> io::Task<> { co_await sockets->remove_stale(); },
                     &sockets_);
  loop_.root().spawn([](FolderWatch* watch) -> io::Task<> { co_await watch->listen(); }, &watch_);
  loop_.root().spawn([](FolderWatch* watch) -> io::Task<> { co_await watch->run(); }, &watch_);
  return {};
}

Result<void> Control::reload(const FolderChange& change) {
  const ViewPtr before = folder_.view();
  auto read = folder_.reload(change, watch_.half_written());
  const bool first = before->resources->types.empty();
  if (folder_.view()->generation != before->generation || first) publish();
  if (first) {
    finish();
  } else if (!finishing_) {
    finishing_ = true;
    loop_.root().spawn([](Control* self) -> io::Task<> { co_await self->finish_soon(); }, this);
  }
  return read;
}

// The sockets come first.
io::Task<> Control::finish_soon() {
  (void)co_await io::sleep_until(io::in(kFinishDelay));
  finishing_ = false;
  finish();
}

void Control::finish() {
  if (folder_.finished()) return;
  folder_.finish();
  certificates_.publish(folder_.view());
}

void Control::publish() {
  const ViewPtr& view = folder_.view();
  certificates_.publish(view);
  xds_.set_resources(view->resources);
  std::set<std::string> peers;
  for (const auto& [name, identities] : view->identities) peers.insert(name);
  std::vector<std::string> gone;
  for (const auto& [name, status] : xds_.nodes()) {
    if (!peers.contains(name)) gone.push_back(name);
  }
  sockets_.set_peers(std::move(peers));
  for (const std::string& name : gone) xds_.forget(name);
}

io::Task<SyncResult> Control::sync(io::Deadline deadline) {
  SyncResult result;
  watch_.take_waiting();  // that a file was closed may be among it
  result.folder_read = reload({.all = true, .names = {}}).has_value();
  result.acknowledged = co_await xds_.wait_acked(folder_.view()->generation, deadline);
  result.report = report();
  co_return result;
}

Report Control::report() {
  finish();
  Report out{.view = folder_.view(), .nodes = {}, .proxies = {}};
  for (const auto& [name, identities] : out.view->identities) {
    PeerReport peer{.name = name, .xds = {}, .error = sockets_.error_of(name)};
    if (const auto found = xds_.nodes().find(name); found != xds_.nodes().end())
      peer.xds = found->second;
    if (is_proxy(name)) peer.name = pod_of(name);
    (is_proxy(name) ? out.proxies : out.nodes).push_back(std::move(peer));
  }
  return out;
}

}  // namespace culvert::control
