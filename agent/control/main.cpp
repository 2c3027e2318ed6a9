// culvert-control: the mesh control of a folder of YAML. Composition only.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "admin_routes.hpp"
#include "control.hpp"
#include "culvert/admin/http_server.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/version.hpp"
#include "culvert/io/socket.hpp"
#include "options.hpp"

namespace culvert::control {
namespace {

constexpr unsigned kAdminThreads = 4;  // some may wait in /sync

int report(const char* doing, const std::string& what) {
  log::error("{}: {}", doing, what);
  return 1;
}

UniqueFd block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

std::expected<certs::CertificateAuthority, Diagnostic> open_authority(const Options& options) {
  if (!options.ca_cert.empty()) {
    return certs::CertificateAuthority::load(
        {options.ca_cert, options.ca_key, options.ca_chain, options.root_cert});
  }
  return certs::CertificateAuthority::open(options.state_dir, options.compile.trust_domain);
}

io::Task<> stop_on_signal(io::Loop* loop, int signals) {
  if (co_await io::poll(signals, POLLIN, io::kNoDeadline)) loop->stop();
}

int run(const Options& options) {
  const UniqueFd signals = block_signals();
  for (const auto& [folder, mode] :
       {std::pair{options.state_dir, 0700U}, std::pair{options.socket_dir, 0755U}}) {
    if (auto made = make_dirs(folder, mode); !made)
      return report(folder.c_str(), made.error().to_string());
  }
  auto authority = open_authority(options);
  if (!authority) return report("certificate authority", authority.error().to_string());
  auto loop = io::Loop::create();
  if (!loop) return report("make the loop", loop.error().to_string());
  io::Loop& running = **loop;
  Control control(running,
                  {options.config_dir, options.socket_dir, options.compile, options.state_dir,
                   std::chrono::seconds(options.certificate_lifetime_seconds)},
                  std::move(*authority));
  Result<void> started;
  std::unique_ptr<admin::HttpServer> server;
  running.post([&] {
    started = control.start();
    if (!started) return running.stop();
    auto made = admin::HttpServer::on_unix_socket(
        options.admin_socket, admin_routes(running, control), {.threads = kAdminThreads});
    if (!made) {
      started = std::unexpected(made.error());
      return running.stop();
    }
    server = std::move(*made);
    running.root().spawn(&stop_on_signal, &running, signals.get());
    log::info("ready: folder {}, sockets {}, admin {}", options.config_dir, options.socket_dir,
              options.admin_socket);
  });
  running.run();
  if (server) server->stop();
  if (!started) return report(options.config_dir.c_str(), started.error().to_string());
  log::info("stopped");
  return 0;
}

}  // namespace
}  // namespace culvert::control

int main(int argc, char** argv) {
  culvert::log::set_component("control");
  CLI::App app{"Culvert's mesh control: serves a folder of YAML to the nodes' ztunnels"};
  app.set_version_flag("--version", culvert::kVersion);
  culvert::control::Options options;
  culvert::control::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  return culvert::control::run(options);
}
