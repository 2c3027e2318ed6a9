#include "lab/config_folder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "culvert/base/fd.hpp"
#include "lab/objects.hpp"

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;

std::string path_of(const LabState& state, const std::string& copy) {
  return LabNames(state.name).config_dir() + "/" + copy;
}

// A file that has this text already is left alone: control would read it again.
Outcome<void> write(const std::string& path, const std::string& text) {
  if (const auto now = read_file(path); now && *now == text) return {};
  if (auto written = write_file_atomic(path, text, 0600); !written)
    return problem(fmt::format("{}: {}", path, written.error().to_string()));
  return {};
}

// Whether a document can have one of these keys, without reading it as YAML, which takes long: its
// text has the name as it is, unless some of it is escaped.
bool may_have(const Document& document, const std::set<std::string>& keys) {
  if (document.text.find('\\') != std::string::npos) return true;
  return std::ranges::any_of(keys, [&](const std::string& key) {
    return document.text.find(key.substr(key.find_last_of(" /") + 1)) != std::string::npos;
  });
}

// The text with the documents that have one of these keys emptied; nullopt: it has none of them.
std::optional<std::string> emptied_text(const std::string& original, const std::string& text,
                                        const std::set<std::string>& keys) {
  std::string kept = text;
  bool found = false;
  for (Document& document : split_documents({original, "", text})) {
    if (!may_have(document, keys) || read_header(document) || !keys.contains(document.key()))
      continue;
    kept = blank_document(kept, document);
    found = true;
  }
  return found ? std::optional(std::move(kept)) : std::nullopt;
}

// Empties those documents in one file; removes the file when nothing is left.
Outcome<bool> empty_objects(const LabState& state, const ConfigFile& file,
                            const std::set<std::string>& keys) {
  const std::string path = path_of(state, file.copy);
  const auto text = read_file(path, kManifestBytesMax);
  if (!text) return false;
  const auto kept = emptied_text(file.original, *text, keys);
  if (!kept) return false;
  if (split_documents({file.original, "", *kept}).empty()) {
    ::unlink(path.c_str());
    return true;
  }
  if (auto written = write(path, *kept); !written) return std::unexpected(written.error());
  return true;
}

// In all files but those of these names.
Outcome<bool> empty_everywhere(LabState& state, const std::set<std::string>& keys,
                               const std::set<std::string>& but = {}) {
  bool found = false;
  for (const ConfigFile& file : state.files) {
    if (but.contains(file.copy)) continue;
    auto emptied = empty_objects(state, file, keys);
    if (!emptied) return emptied;
    found = found || *emptied;
  }
  std::error_code ignored;
  std::erase_if(state.files, [&](const ConfigFile& file) {
    return !fs::exists(path_of(state, file.copy), ignored);
  });
  return found;
}

}  // namespace

std::string configuration_text(const SourceFile& file) {
  std::string out = file.text;
  for (Document& document : split_documents(file))
    if (!read_header(document) && document.lab_owned()) out = blank_document(out, document);
  return out;
}

std::string copy_name(const std::string& path, const std::vector<ConfigFile>& taken) {
  const std::string stem = path == "-" ? "stdin" : fs::path(path).stem().string();
  const auto free = [&](const std::string& name) {
    return name != kObjectsFile && std::ranges::none_of(taken, [&](const ConfigFile& f) {
             return f.copy == name && f.original != path;
           });
  };
  std::string name = stem + ".yaml";
  for (int i = 2; !free(name); ++i) name = fmt::format("{}-{}.yaml", stem, i);
  return name;
}

std::string render_objects(const Placement& objects) {
  std::string out = "# Written by culvert lab: the objects that it runs, with what it assigned.\n";
  for (const Node& node : objects.nodes) out += "---\n" + render_node(node);
  for (const Service& service : objects.services) out += "---\n" + render_service(service);
  for (const Pod& pod : objects.pods) {
    const auto node = std::ranges::find(objects.nodes, pod.node, &Node::name);
    out += "---\n" + render_pod(pod, node == objects.nodes.end() ? Node{} : *node);
  }
  return out;
}

Outcome<void> add_files(LabState& state, const std::vector<SourceFile>& files) {
  std::set<std::string> keys;
  for (const SourceFile& file : files)
    for (Document& document : split_documents(file))
      if (!read_header(document)) keys.insert(document.key());
  // The new stands before the old goes: an object that control finds twice stays as it was, one
  // that it finds nowhere is gone, and with it what requests were under its rules.
  std::set<std::string> added;
  for (const SourceFile& file : files) {
    const std::string text = configuration_text(file);
    if (split_documents({file.path, "", text}).empty()) continue;
    const std::string copy = copy_name(file.path, state.files);
    std::string kept = text;
    if (const auto old = read_file(path_of(state, copy))) {
      // Objects that only the earlier version of the file had stay.
      const std::string rest = emptied_text(file.path, *old, keys).value_or(*old);
      if (!split_documents({file.path, "", rest}).empty()) kept += "---\n" + rest;
    }
    if (auto written = write(path_of(state, copy), kept); !written) return written;
    if (std::ranges::find(state.files, copy, &ConfigFile::copy) == state.files.end())
      state.files.push_back({copy, file.path});
    added.insert(copy);
  }
  if (auto emptied = empty_everywhere(state, keys, added); !emptied)
    return std::unexpected(emptied.error());
  return {};
}

Outcome<bool> remove_object(LabState& state, const std::string& key) {
  return empty_everywhere(state, {key});
}

Outcome<void> write_objects(const LabState& state) {
  return write(path_of(state, kObjectsFile), render_objects(state.objects));
}

std::string original_path(const LabState& state, const std::string& file) {
  const std::string name = fs::path(file).filename().string();
  for (const ConfigFile& entry : state.files)
    if (entry.copy == name) return entry.original;
  return file;
}

}  // namespace culvert::lab
