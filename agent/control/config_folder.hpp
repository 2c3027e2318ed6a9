// From the folder of YAML to the current View. Owned by control's loop thread.
#pragma once

#include <set>
#include <string>

#include "control/compile/compile.hpp"
#include "culvert/base/error.hpp"
#include "culvert/config/object_store.hpp"
#include "route_status.hpp"
#include "view.hpp"

namespace culvert::control {

class ConfigFolder {
 public:
  /// `state_dir`: where the objects in force are kept over a restart (objects.bin); empty: nowhere.
  ConfigFolder(std::string folder, CompileSettings settings, const std::string& state_dir = {})
      : folder_(std::move(folder)),
        settings_(std::move(settings)),
        saved_(state_dir.empty() ? "" : state_dir + "/objects.bin"),
        routes_(settings_) {}

  /// Takes the objects that an earlier run had in force as last good states; before the first
  /// reload(). A file that is damaged or of another format is ignored, and logged.
  void restore();
  /// Reads the whole folder anew and makes the View of it. When the folder cannot be read, an
  /// error: the former View stays, with a diagnostic that says so.
  Result<void> reload();
  const ViewPtr& view() const { return view_; }

 private:
  void save();
  void log_changes(const View& before, const View& after) const;

  const std::string folder_;
  const CompileSettings settings_;
  const std::string saved_;
  std::string save_problem_;
  config::ObjectStore store_;
  RouteStatus routes_;
  ViewPtr view_ = std::make_shared<View>();
};

}  // namespace culvert::control
