// The thin edge: a folder's files into ParsedFiles.
#include "culvert/config/folder.hpp"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <optional>

#include "culvert/base/fd.hpp"
#include "culvert/base/state_file.hpp"

namespace culvert::config {
namespace {

namespace fs = std::filesystem;

// Two writes within it may leave the same times (the kernel's tick, at most 10 ms).
constexpr std::chrono::milliseconds kClockGrain{20};

constexpr std::size_t kNoText = SIZE_MAX;

std::int64_t to_ns(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
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

Result<std::set<std::string>> names_in(const std::string& dir) {
  std::error_code error;
  std::set<std::string> names;
  fs::directory_iterator it(dir, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    auto name = it->path().filename().string();
    if (!is_config_name(name)) continue;
    if (names.size() == kMaxFiles) return fail(ErrorCode::kLimit, "read the config folder");
    names.insert(std::move(name));
  }
  if (error) return fail_errno(error.value(), "read the config folder");
  return names;
}

}  // namespace

bool is_config_name(std::string_view name) {
  if (name.starts_with('.')) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

// The stamp is from before the text: what is written in between has another.
void Folder::take(const std::string& name, Look look) {
  const std::string path = dir_ + "/" + name;
  struct stat state{};
  if (::stat(path.c_str(), &state) != 0) state = {};
  const Stamp stamp{state.st_dev, state.st_ino, static_cast<std::uint64_t>(state.st_size),
                    to_ns(state.st_mtim), to_ns(state.st_ctim)};
  auto known = known_.find(name);
  if (look == Look::kChanged && known != known_.end() && known->second.settled &&
      known->second.stamp == stamp)
    return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto text = read_file(path, kMaxFileBytes);
  if (!text && text.error().sys_errno == ENOENT) {
    if (known != known_.end() && look != Look::kAgain) known_.erase(known);
    return;
  }
  const auto checksum = text ? crc64(*text) : 0;
  const bool same = text && known != known_.end() && known->second.checksum == checksum &&
                    known->second.bytes == text->size();
  auto& entry = known_[name];
  if (!same || !entry.file) {
    entry.file = std::make_shared<const ParsedFile>(text ? parse_file(name, *text)
                                                         : unreadable(name, text.error()));
    ++parsed_;
  }
  entry.stamp = stamp;
  entry.checksum = checksum;
  entry.bytes = text ? text->size() : kNoText;
  entry.settled = text && std::chrono::nanoseconds(stamp.changed_ns) + kClockGrain < now;
}

Result<void> Folder::read(const std::set<std::string>& but) {
  const auto names = names_in(dir_);
  if (!names) return std::unexpected(names.error());
  std::erase_if(known_, [&](const auto& entry) {
    return !names->contains(entry.first) && !but.contains(entry.first);
  });
  for (const auto& name : *names) {
    if (!but.contains(name)) take(name, Look::kChanged);
  }
  return {};
}

Result<void> Folder::read_named(const std::set<std::string>& names,
                                const std::set<std::string>& but) {
  // A folder that is gone takes nothing with it.
  if (struct stat state{}; ::stat(dir_.c_str(), &state) != 0)
    return fail_errno(errno, "read the config folder");
  std::size_t fresh = 0;
  for (const auto& name : names) fresh += known_.contains(name) ? 0 : 1;
  if (known_.size() + fresh > kMaxFiles) return read(but);
  std::vector<std::string> unsure;
  for (const auto& [name, known] : known_) {
    if (!known.settled && !names.contains(name) && !but.contains(name)) unsure.push_back(name);
  }
  for (const auto& name : names) {
    if (!but.contains(name)) take(name, Look::kAnyway);
  }
  for (const auto& name : unsure) take(name, Look::kAgain);
  return {};
}

std::vector<ParsedFilePtr> Folder::files() const {
  std::vector<ParsedFilePtr> out;
  out.reserve(known_.size());
  for (const auto& [name, known] : known_) out.push_back(known.file);
  return out;
}

}  // namespace culvert::config
