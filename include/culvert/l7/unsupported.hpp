// What the objects can say and Culvert does not honour yet: one table, by which such objects are
// refused, or told of, and which `culvert routes --unsupported` prints. It may only shrink.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace culvert::l7 {

enum class Consequence : std::uint8_t {
  kObjectRefused,
  kNoEffect,  // the object is served as if the field were not there, and a condition says so
};
/// "object refused", "no effect".
std::string_view to_text(Consequence consequence);

struct UnsupportedField {
  std::string_view message;  // within its package: "TrafficPolicy.ProxyProtocol", "ServiceSpec"
  std::string_view field;    // JSON name
  /// Empty: any use of the field. Else only this value (of an enum or text), or, ending in '*',
  /// keys of a map that begin so.
  std::string_view value;
  std::string_view why;  // "TCP routes are not honoured yet"
  Consequence consequence = Consequence::kObjectRefused;
};
std::span<const UnsupportedField> unsupported_fields();

struct UnsupportedUse {
  std::string path;  // "spec.http[0].delegate", when `spec` was called so
  std::string why;
  Consequence consequence = Consequence::kObjectRefused;
};
/// All uses in `message`, in the order of fields; `path` stands before each.
std::vector<UnsupportedUse> find_unsupported(const google::protobuf::Message& message,
                                             const std::string& path);
/// Whether some use in `spec` has it refused.
bool is_refused_by_field(const google::protobuf::Message& spec);

}  // namespace culvert::l7
