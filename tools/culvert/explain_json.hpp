// The parts of an explanation as JSON, which several documents have.
#pragma once

#include <optional>

#include "culvert/explain/explain.hpp"
#include "culvert/mesh_model.hpp"
#include "culvert/yaml_output.hpp"

namespace culvert::cli {

Json result_json(const explain::Explanation& explanation);
/// `listening`: whether somebody listens there; nullopt: not known.
Json branch_json(const explain::Branch& branch, std::optional<bool> listening,
                 const MeshModel& model);

}  // namespace culvert::cli
