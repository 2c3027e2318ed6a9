// The name that was probably meant, for messages about unknown names. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace culvert::config {

/// The candidate with the smallest edit distance, when that is at most two or a third of the
/// length; case does not count, swapping two neighbours is one edit. Empty when none is near, and
/// for text over 64 bytes.
std::string nearest(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace culvert::config
