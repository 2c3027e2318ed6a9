#include "culvert/l7/hop_fields.hpp"

#include <algorithm>
#include <array>

namespace culvert::l7 {

bool is_of_the_hop(std::string_view name) {
  constexpr std::array kNames = {std::string_view("connection"),
                                 std::string_view("content-length"),
                                 std::string_view("transfer-encoding"),
                                 std::string_view("keep-alive"),
                                 std::string_view("proxy-connection"),
                                 std::string_view("upgrade"),
                                 std::string_view("te"),
                                 std::string_view("trailer"),
                                 std::string_view("http2-settings")};
  return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace culvert::l7
