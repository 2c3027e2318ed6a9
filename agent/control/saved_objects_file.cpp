#include "saved_objects_file.hpp"

#include <utility>

#include "culvert/base/log.hpp"
#include "culvert/base/state_file.hpp"
#include "culvert/config/saved_objects.hpp"

namespace culvert::control {
namespace {

constexpr std::string_view kKind = "CVOBJCTS";
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kMaxSavedBytes = 1U << 30;

}  // namespace

SavedObjectsFile::SavedObjectsFile(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) thread_ = std::thread([this] { write_all(); });
}

SavedObjectsFile::~SavedObjectsFile() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::vector<config::ParsedFile> SavedObjectsFile::restore() const {
  if (path_.empty()) return {};
  remove_unfinished_state_files(path_);
  const auto content = read_state_file(path_, kKind, kFormat, kMaxSavedBytes);
  if (!content && content.error().code == ErrorCode::kNotFound) return {};
  std::vector<std::string> given_up;
  auto files =
      content ? config::decode_objects(*content, &given_up) : std::unexpected(content.error());
  for (const auto& name : given_up) {
    log::warn("{}: the last good state of {} is not valid any more; it is ignored", path_, name);
  }
  if (files) return std::move(*files);
  log::error("{}: {}; it is ignored", path_, files.error().to_string());
  return {};
}

void SavedObjectsFile::save(std::shared_ptr<const config::ObjectMap> objects) {
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(objects);
  }
  changed_.notify_all();
}

void SavedObjectsFile::write_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return next_ || over_; });
    if (!next_) return;
    const auto objects = std::exchange(next_, nullptr);
    lock.unlock();
    write(*objects);
    lock.lock();
  }
}

void SavedObjectsFile::write(const config::ObjectMap& objects) {
  const auto written = write_state_file(path_, kKind, kFormat, config::encode_objects(objects));
  const std::string why = written ? "" : written.error().to_string();
  if (!why.empty() && why != problem_) {
    log::error("{}: {}; last good states of now are lost with this process", path_, why);
  }
  problem_ = why;
}

}  // namespace culvert::control
