// From the folder of YAML to the current View. Owned by control's loop thread.
#pragma once

#include <set>
#include <string>

#include "control/compile/compile.hpp"
#include "culvert/base/error.hpp"
#include "culvert/config/object_store.hpp"
#include "view.hpp"

namespace culvert::control {

class ConfigFolder {
 public:
  ConfigFolder(std::string folder, CompileSettings settings)
      : folder_(std::move(folder)), settings_(std::move(settings)) {}

  /// Reads the whole folder anew and makes the View of it. When the folder cannot be read, an
  /// error: the former View stays, with a diagnostic that says so.
  Result<void> reload();
  const ViewPtr& view() const { return view_; }

 private:
  void log_changes(const View& before, const View& after) const;

  const std::string folder_;
  const CompileSettings settings_;
  config::ObjectStore store_;
  ViewPtr view_ = std::make_shared<View>();
};

}  // namespace culvert::control
