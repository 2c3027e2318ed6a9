#include "culvert/base/diagnostic.hpp"

#include <fmt/format.h>

namespace culvert {

std::string Diagnostic::to_string() const {
  std::string out;
  if (!file.empty()) out += line > 0 ? fmt::format("{}:{}:{}: ", file, line, column) : file + ": ";
  if (severity == Severity::kWarning) out += "warning: ";
  if (!object.empty()) out += object + ": ";
  if (!field.empty()) out += field + ": ";
  out += reason;
  if (!suggestion.empty()) out += fmt::format(" (did you mean \"{}\"?)", suggestion);
  return out;
}

}  // namespace culvert
