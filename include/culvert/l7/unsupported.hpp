// What the networking objects can say and Culvert does not honour yet: one table, by which such
// objects are refused and which `culvert routes --unsupported` prints. It may only shrink.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace culvert::l7 {

struct UnsupportedField {
  std::string_view message;  // within istio.networking.v1alpha3, e.g. "TrafficPolicy.ProxyProtocol"
  std::string_view field;    // JSON name
  /// Empty: any use of the field. Else only this value (of an enum or text), or, ending in '*',
  /// keys of a map that begin so.
  std::string_view value;
  std::string_view why;  // "TCP routes are not honoured yet"
};
std::span<const UnsupportedField> unsupported_fields();

struct UnsupportedUse {
  std::string path;  // "spec.http[0].delegate", when `spec` was called so
  std::string why;
};
/// All uses in `message`, in the order of fields; `path` stands before each.
std::vector<UnsupportedUse> find_unsupported(const google::protobuf::Message& message,
                                             const std::string& path);

}  // namespace culvert::l7
