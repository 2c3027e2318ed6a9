// `-o table|json|yaml`, which every reading command has, and how documents are printed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "culvert/yaml_output.hpp"

namespace culvert::cli {

/// Adds -o,--output to a command; `format` must live as long as the command.
void add_output(CLI::App* command, std::string& format);
/// Prints a document as JSON or YAML. `format` is what add_output() took, not "table".
void print_document(const std::string& format, const Json& document);
/// The same for a document that is JSON text already.
void print_document(const std::string& format, const std::string& json);

}  // namespace culvert::cli
