// Documents as YAML, for `-o yaml`. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace culvert::cli {

using Json = nlohmann::ordered_json;

/// The same values as YAML 1.1 and 1.2 parsers read them: text that either could take for something
/// else is quoted, text of several lines is a block. Ends with a newline.
std::string to_yaml(const Json& document);

}  // namespace culvert::cli
