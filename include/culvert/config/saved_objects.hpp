// The objects in force as bytes, so that a bad object's last good state outlives the process that
// saw it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "culvert/base/error.hpp"
#include "culvert/config/object.hpp"
#include "culvert/config/parse.hpp"

namespace culvert::config {

/// Names, places and messages.
std::string encode_objects(const ObjectMap& objects);

/// The same objects, as the files that they were in, for ObjectStore::load(). kInvalid when
/// encode_objects() would not have written it: cut, a kind that is not known, a message that does
/// not parse. An object that this build does not take any more is left out, and named in
/// `given_up`: "ServiceEntry shop/out".
Result<std::vector<ParsedFile>> decode_objects(std::string_view content,
                                               std::vector<std::string>* given_up = nullptr);

}  // namespace culvert::config
