// What is wrong with a configuration object, for the person who wrote it.
#pragma once

#include <string>
#include <vector>

namespace culvert {

struct Diagnostic {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;            // from 1; 0 when there is no place
  int column = 0;          // from 1
  std::string object;      // "AuthorizationPolicy shop/deny-all"; empty before it is known
  std::string field;       // path, e.g. "spec.rules[0].from[1].source.principals"
  std::string reason;      // "unknown field"
  std::string suggestion;  // "principals"; empty when nothing is near

  /// "web.yaml:12:5: AuthorizationPolicy shop/deny-all: spec.rulez: unknown field (did you mean
  /// "rules"?)"
  std::string to_string() const;
};
using Diagnostics = std::vector<Diagnostic>;

}  // namespace culvert
