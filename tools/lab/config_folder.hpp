// The folder of YAML that culvert-control watches. Users' files stand there under their own names
// with their own line numbers; documents that the lab completes (Node, Pod, Deployment, Service)
// are empty lines in them, and are in lab.objects.yaml instead.
#pragma once

#include <string>
#include <vector>

#include "lab/manifest.hpp"
#include "lab/state.hpp"

namespace culvert::lab {

inline constexpr const char* kObjectsFile = "lab.objects.yaml";

/// The text of a user's file with lab-owned documents emptied.
std::string configuration_text(const SourceFile& file);
/// "bookshop.yaml", or "bookshop-2.yaml" when that name is taken by another file.
std::string copy_name(const std::string& path, const std::vector<ConfigFile>& taken);
/// All objects of the lab as YAML documents.
std::string render_objects(const Placement& objects);

/// Adds the files' configuration. An object that stood in an earlier file is emptied there: the
/// newest wins. Updates state.files.
Outcome<void> add_files(LabState& state, const std::vector<SourceFile>& files);
/// Empties an object ("AuthorizationPolicy shop/deny-all") wherever it stands; false: nowhere.
Outcome<bool> remove_object(LabState& state, const std::string& key);
Outcome<void> write_objects(const LabState& state);
/// Replaces "config-folder-file:" by the user's own path at the start of a diagnostic's file.
std::string original_path(const LabState& state, const std::string& file);

}  // namespace culvert::lab
