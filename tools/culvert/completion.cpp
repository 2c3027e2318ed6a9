#include "culvert/completion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "lab/lab.hpp"

namespace culvert::cli {
namespace {

constexpr std::array kMaps{"cv_layout", "cv_pod",    "cv_exclude", "cv_listener",
                           "cv_origin", "cv_client", "cv_kubelet", "cv_counter"};

// A command without a group is not for people (CLI11 hides it too).
bool is_shown(const CLI::App* command) {
  return !command->get_group().empty();
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// Where the finished words lead: the command, how many of its positionals are given, and the option
// that waits for its value.
struct Position {
  const CLI::App* command;
  std::size_t positionals = 0;
  const CLI::Option* waiting = nullptr;
  std::string lab = "default";
  bool raw = false;  // behind "--": the words are another program's
};

const CLI::App* subcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (sub->get_name() == name) return sub;
  return nullptr;
}

Position follow(const CLI::App& app, const std::vector<std::string>& words) {
  Position at{.command = &app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") at.raw = true;
    if (at.raw) break;
    if (at.waiting != nullptr) {
      if (at.waiting->check_lname("name") || at.waiting->check_lname("lab")) at.lab = word;
      at.waiting = nullptr;
    } else if (word.starts_with("-")) {
      const CLI::Option* option = at.command->get_option_no_throw(word.substr(0, word.find('=')));
      const bool open =
          option != nullptr && takes_value(*option) && word.find('=') == std::string::npos;
      at.waiting = open ? option : nullptr;
    } else if (const CLI::App* sub = subcommand(*at.command, word)) {
      at.command = sub;
      at.positionals = 0;
    } else {
      at.positionals++;
    }
  }
  return at;
}

// "TEXT:{json,table,yaml}": the values that a check allows.
std::vector<std::string> choices(const CLI::Option& option) {
  const std::string text = option.get_type_name();
  const auto open = text.find('{'), close = text.find('}');
  std::vector<std::string> out;
  if (open == std::string::npos || close == std::string::npos) return out;
  std::istringstream items(text.substr(open + 1, close - open - 1));
  for (std::string item; std::getline(items, item, ',');) out.push_back(item);
  return out;
}

std::vector<std::string> with_nodes(std::vector<std::string> pods,
                                    const std::vector<std::string>& nodes) {
  for (const std::string& node : nodes) pods.push_back("node/" + node);
  return pods;
}

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// By what an option or positional is called.
std::vector<std::string> values_of(const CLI::Option& option, const Position& at,
                                   const LiveNames& names) {
  if (auto fixed = choices(option); !fixed.empty()) return fixed;
  const std::string name = option.get_single_name(), command = at.command->get_name();
  if (name == "name" || name == "lab") return names.labs();
  if (name == "node") return names.nodes(at.lab);
  if (name == "namespace") return names.namespaces(at.lab);
  if (name == "map") return {kMaps.begin(), kMaps.end()};
  if (name == "pod" || name == "workload" || name == "from") return names.pods(at.lab);
  if (name == "to") return joined(names.pods(at.lab), names.services(at.lab));
  if (name == "target") return with_nodes(names.pods(at.lab), names.nodes(at.lab));
  if (name == "waypoint") return names.waypoints(at.lab);
  if (name == "object" && command == "services") return names.services(at.lab);
  if (name == "object" && command == "workloads") return names.pods(at.lab);
  return {};
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> out;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

std::vector<std::string> words_of(const Position& at, const LiveNames& names) {
  std::vector<std::string> out;
  for (const CLI::App* sub : at.command->get_subcommands(is_shown)) out.push_back(sub->get_name());
  std::size_t index = 0;
  for (const CLI::Option* option : at.command->get_options()) {
    if (!option->get_positional()) continue;
    if (index++ == at.positionals) out = joined(std::move(out), values_of(*option, at, names));
  }
  return out;
}

// The labs of this machine; unreadable ones have no names.
class MachineNames final : public LiveNames {
 public:
  std::vector<std::string> labs() const override { return lab::list_labs(); }
  std::vector<std::string> nodes(const std::string& lab) const override {
    return of(lab, [](const lab::Placement& p, auto& out) {
      for (const auto& node : p.nodes) out.insert(node.name);
    });
  }
  std::vector<std::string> pods(const std::string& lab) const override {
    return of(lab, [](const lab::Placement& p, auto& out) {
      for (const auto& pod : p.pods) out.insert(pod.key());
    });
  }
  std::vector<std::string> services(const std::string& lab) const override {
    return of(lab, [](const lab::Placement& p, auto& out) {
      for (const auto& service : p.services) out.insert(service.key());
    });
  }
  std::vector<std::string> namespaces(const std::string& lab) const override {
    return of(lab, [](const lab::Placement& p, auto& out) {
      for (const auto& pod : p.pods) out.insert(pod.ns);
    });
  }
  std::vector<std::string> waypoints(const std::string& lab) const override {
    return of(lab, [](const lab::Placement& p, auto& out) {
      for (const auto& gateway : p.gateways) out.insert(gateway.name);
    });
  }

 private:
  template <class Take>
  static std::vector<std::string> of(const std::string& name, Take take) {
    std::set<std::string> out;
    if (const auto state = lab::load_state(lab::LabNames(name))) take(state->objects, out);
    return {out.begin(), out.end()};
  }
};

}  // namespace

std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words,
                                     const LiveNames& names) {
  const Position at = follow(app, words);
  const std::string last = words.empty() ? "" : words.back();
  if (at.raw) return {};
  std::vector<std::string> out = at.waiting != nullptr   ? values_of(*at.waiting, at, names)
                                 : last.starts_with("-") ? option_names(*at.command)
                                                         : words_of(at, names);
  std::erase_if(out, [&](const std::string& word) { return !word.starts_with(last); });
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

void print_completions(const CLI::App& app, const std::vector<std::string>& words) {
  for (const std::string& word : completions(app, words, MachineNames())) fmt::print("{}\n", word);
}

}  // namespace culvert::cli
