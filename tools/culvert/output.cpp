#include "culvert/output.hpp"

#include <fmt/format.h>

namespace culvert::cli {

void add_output(CLI::App* command, std::string& format) {
  command->add_option("-o,--output", format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
}

void print_document(const std::string& format, const Json& document) {
  if (format == "yaml") return fmt::print("{}", to_yaml(document));
  fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_document(const std::string& format, const std::string& json) {
  if (format == "json") return fmt::print("{}\n", json);
  print_document(format, Json::parse(json, nullptr, false));
}

}  // namespace culvert::cli
