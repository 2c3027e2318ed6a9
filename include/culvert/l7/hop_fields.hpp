// What no rule may write into a message. Pure; any thread.
#pragma once

#include <string_view>

namespace culvert::l7 {

/// Whether a field, in lower case, is of one hop or says where a message ends: each hop writes it
/// for itself, and no rule may change it (RFC 9110 sections 7.6.1 and 8.6, RFC 9113 section 8.2.2).
bool is_of_the_hop(std::string_view name);

}  // namespace culvert::l7
