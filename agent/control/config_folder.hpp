// From the folder of YAML to the current View. Owned by control's loop thread.
#pragma once

#include <set>
#include <string>

#include "control/compile/recompile.hpp"
#include "culvert/base/error.hpp"
#include "culvert/config/folder.hpp"
#include "culvert/config/object_store.hpp"
#include "folder_watch.hpp"
#include "route_status.hpp"
#include "saved_objects_file.hpp"
#include "view.hpp"

namespace culvert::control {

class ConfigFolder {
 public:
  /// `state_dir`: where the objects in force are kept over a restart (objects.bin); empty: nowhere.
  ConfigFolder(std::string folder, CompileSettings settings, const std::string& state_dir = {})
      : dir_(std::move(folder)),
        settings_(std::move(settings)),
        folder_(dir_),
        saved_(state_dir.empty() ? "" : state_dir + "/objects.bin"),
        compiler_(settings_),
        routes_(settings_) {}

  /// Takes the objects that an earlier run had in force as last good states; before the first
  /// reload().
  void restore();
  /// Reads what may have changed, but for files that are half written, and makes the View of it,
  /// whose conditions are those from before until finish(). When the folder cannot be
  /// read, an error: the former View stays, with a diagnostic that says so.
  Result<void> reload(const FolderChange& change, const std::set<std::string>& half_written);
  /// What nobody has to wait for after a reload(): the conditions of routes, the log, the file of
  /// last good states.
  void finish();
  bool finished() const { return finished_; }
  const ViewPtr& view() const { return view_; }

 private:
  void take(config::LoadReport report);
  void log_changes(const View& before, const View& after) const;

  const std::string dir_;
  const CompileSettings settings_;
  config::Folder folder_;
  SavedObjectsFile saved_;
  config::ObjectStore store_;
  Recompiler compiler_;
  RouteStatus routes_;
  bool finished_ = true;
  config::Conditions accepted_, compiled_conditions_;  // of view_, without those of routes
  ViewPtr view_ = std::make_shared<View>();
  ViewPtr told_ = view_;  // what was logged of last
};

}  // namespace culvert::control
