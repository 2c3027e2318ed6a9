// Values in log lines: a peer's bytes, written so that no name can forge a key or a line. Internal
// to lib/telemetry.
#pragma once

#include <string>
#include <string_view>

namespace culvert::telemetry {

/// Whether nothing of it is escaped: printable ASCII without quotes and backslashes.
bool is_plain(std::string_view value);
/// Appends the value between quotes; quotes, backslashes and all bytes outside printable ASCII are
/// escaped.
void append_quoted(std::string& out, std::string_view value);
/// The same without the quotes around it: a part of such a value.
void append_escaped(std::string& out, std::string_view value);
/// As a JSON string (RFC 8259 section 7). Bytes outside ASCII become U+FFFD.
void append_json_string(std::string& out, std::string_view value);

}  // namespace culvert::telemetry
