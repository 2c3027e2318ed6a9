// The thin edge: a folder's files into ParsedFiles.
#include <algorithm>
#include <filesystem>

#include "culvert/base/fd.hpp"
#include "culvert/config/object_store.hpp"

namespace culvert::config {
namespace {

namespace fs = std::filesystem;

bool is_config_name(const std::string& name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

ParsedFile unreadable(const std::string& name, const Error& error) {
  ParsedFile file;
  file.file = name;
  file.complete = false;
  Diagnostic d;
  d.file = name;
  d.reason = error.code == ErrorCode::kLimit ? "larger than 4 MiB" : error.to_string();
  file.diagnostics.push_back(std::move(d));
  return file;
}

}  // namespace

Result<std::vector<ParsedFile>> read_folder(const std::string& dir) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(dir, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    auto name = it->path().filename().string();
    if (!is_config_name(name)) continue;
    if (names.size() == kMaxFiles) return fail(ErrorCode::kLimit, "read the config folder");
    names.push_back(std::move(name));
  }
  if (error) return fail_errno(error.value(), "read the config folder");
  std::ranges::sort(names);

  std::vector<ParsedFile> files;
  for (const auto& name : names) {
    auto text = read_file(dir + "/" + name, kMaxFileBytes);
    // Gone between listing and reading: as if it had not been listed.
    if (!text && text.error().sys_errno == ENOENT) continue;
    files.push_back(text ? parse_file(name, *text) : unreadable(name, text.error()));
  }
  return files;
}

}  // namespace culvert::config
