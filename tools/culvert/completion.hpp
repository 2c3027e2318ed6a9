// What may stand at the end of an unfinished command line, from the tree of commands itself, so
// that it cannot go stale. The shells' scripts ask for it: `culvert __complete WORDS...`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace culvert::cli {

/// Names that exist now, asked for only when a word of that kind is to be completed.
class LiveNames {
 public:
  virtual ~LiveNames() = default;
  virtual std::vector<std::string> labs() const = 0;
  virtual std::vector<std::string> nodes(const std::string& lab) const = 0;
  virtual std::vector<std::string> pods(const std::string& lab) const = 0;
  virtual std::vector<std::string> services(const std::string& lab) const = 0;
  virtual std::vector<std::string> namespaces(const std::string& lab) const = 0;
  virtual std::vector<std::string> waypoints(const std::string& lab) const = 0;
};

/// `words` is the line without the program's name; the last one is unfinished and may be empty.
/// Sorted; only what begins with it. Pure but for `names`.
std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words,
                                     const LiveNames& names);

/// The same printed, with the labs of this machine.
void print_completions(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace culvert::cli
