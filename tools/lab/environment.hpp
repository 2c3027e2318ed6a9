// What a container's process sees: $(VAR) expansion, environment, arguments. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lab/model.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

using Environment = std::map<std::string, std::string>;

/// Kubernetes' $(VAR): "$$" is a "$", a name that is not known stays as written.
std::string expand_variables(std::string_view text, const Environment& variables);

struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value"
};

/// A container's command line and environment. `path` becomes PATH unless the container sets it.
/// An env entry sees those before it; fieldRef knows metadata.name, .namespace, .uid,
/// spec.nodeName, spec.serviceAccountName, status.podIP, status.podIPs, status.hostIP and
/// metadata.labels['x'].
Outcome<Command> command_of(const Container& container, const Pod& pod, const Node& node,
                            const std::string& path);

}  // namespace culvert::lab
