// The objects in force on disk, so that last good states outlive control. Written by a thread of
// its own: a disk that is slow keeps nobody waiting for a change.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "culvert/config/object.hpp"
#include "culvert/config/parse.hpp"

namespace culvert::control {

class SavedObjectsFile {
 public:
  /// An empty path: nothing is kept.
  explicit SavedObjectsFile(std::string path);
  /// Writes what is still to be written.
  ~SavedObjectsFile();
  SavedObjectsFile(const SavedObjectsFile&) = delete;
  SavedObjectsFile& operator=(const SavedObjectsFile&) = delete;

  /// What an earlier run saved; before the first save(). A file that is damaged or of another
  /// format is ignored, and logged.
  std::vector<config::ParsedFile> restore() const;
  /// Soon on disk, if nothing newer comes before. Never waits for the disk.
  void save(std::shared_ptr<const config::ObjectMap> objects);

 private:
  void write_all();
  void write(const config::ObjectMap& objects);

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const config::ObjectMap> next_;  // guarded by mutex_
  bool over_ = false;                              // guarded by mutex_
  std::string problem_;                            // the thread's
  std::thread thread_;
};

}  // namespace culvert::control
