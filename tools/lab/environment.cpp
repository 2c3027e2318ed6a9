#include "lab/environment.hpp"

#include <fmt/format.h>

#include <optional>

namespace culvert::lab {
namespace {

std::string join_ips(const std::vector<IpAddress>& ips) {
  std::string out;
  for (const IpAddress& ip : ips) out += (out.empty() ? "" : ",") + ip.to_string();
  return out;
}

std::optional<std::string> field_value(const std::string& path, const Pod& pod, const Node& node) {
  if (path == "metadata.name") return pod.name;
  if (path == "metadata.namespace") return pod.ns;
  if (path == "metadata.uid") return pod.uid;
  if (path == "spec.nodeName") return pod.node;
  if (path == "spec.serviceAccountName") return pod.service_account;
  if (path == "status.podIP") return pod.ips.empty() ? "" : pod.ips.front().to_string();
  if (path == "status.podIPs") return join_ips(pod.ips);
  if (path == "status.hostIP") return node.ips.empty() ? "" : node.ips.front().to_string();
  constexpr std::string_view kLabels = "metadata.labels['";
  if (path.starts_with(kLabels) && path.ends_with("']")) {
    const auto label =
        pod.labels.find(path.substr(kLabels.size(), path.size() - kLabels.size() - 2));
    return label == pod.labels.end() ? "" : label->second;
  }
  return std::nullopt;
}

}  // namespace

std::string expand_variables(std::string_view text, const Environment& variables) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const std::size_t end = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += '$';
      continue;
    }
    const auto found = variables.find(std::string(text.substr(i + 2, end - i - 2)));
    out += found == variables.end() ? std::string(text.substr(i, end - i + 1)) : found->second;
    i = end;
  }
  return out;
}

Outcome<Command> command_of(const Container& container, const Pod& pod, const Node& node,
                            const std::string& path) {
  Environment variables{
      {"PATH", path}, {"HOME", "/root"}, {"HOSTNAME", pod.name}, {"LANG", "C.UTF-8"}};
  for (const EnvVar& entry : container.env) {
    std::string value = expand_variables(entry.value, variables);
    if (!entry.field_path.empty()) {
      auto field = field_value(entry.field_path, pod, node);
      if (!field)
        return problem(
            fmt::format("pod {}: container {}: env {}: the lab does not know the field {}",
                        pod.key(), container.name, entry.name, entry.field_path),
            "give it a plain value");
      value = std::move(*field);
    }
    variables[entry.name] = std::move(value);
  }
  Command out;
  for (const std::string& word : container.command)
    out.argv.push_back(expand_variables(word, variables));
  for (const std::string& word : container.args)
    out.argv.push_back(expand_variables(word, variables));
  for (const auto& [name, value] : variables) out.environment.push_back(name + "=" + value);
  return out;
}

}  // namespace culvert::lab
