// Which objects a command is asked for: by namespace, by name, or all. Pure.
#pragma once

#include <string>
#include <vector>

#include "lab/problem.hpp"

namespace culvert::cli {

class NameFilter {
 public:
  /// `name` is "NAME" or "NAMESPACE/NAME", or empty; `ns` is a namespace, or empty for all.
  NameFilter(std::string ns, const std::string& name);

  bool takes(const std::string& ns, const std::string& name) const;
  /// The problem when a name was given and nothing was taken: the nearest of `known`
  /// ("NAMESPACE/NAME") is suggested.
  lab::Problem nothing(const std::string& kind, const std::vector<std::string>& known) const;
  bool names_one() const { return !name_.empty(); }

 private:
  std::string ns_, name_;
};

}  // namespace culvert::cli
