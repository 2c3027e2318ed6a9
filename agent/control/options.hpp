// The command line of culvert-control.
#pragma once

#include <string>

#include "control/compile/compile.hpp"
#include "culvert/certs/certificate_authority.hpp"

namespace CLI {
class App;
}

namespace culvert::control {

struct Options {
  std::string config_dir;
  std::string socket_dir;
  std::string state_dir;
  std::string admin_socket;
  CompileSettings compile;
  long certificate_lifetime_seconds = std::chrono::seconds(certs::kDefaultLifetime).count();
  // All of them, or none: then the root is made in STATE_DIR/ca.
  std::string ca_cert;
  std::string ca_key;
  std::string ca_chain;
  std::string root_cert;
};

void add_options(CLI::App& app, Options& options);

}  // namespace culvert::control
