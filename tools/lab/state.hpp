// lab.json: what a lab consists of, as the last command left it. Commands that change a lab hold
// its lock; readers need none, the file is replaced atomically.
#pragma once

#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "lab/addresses.hpp"
#include "lab/expand.hpp"
#include "lab/names.hpp"
#include "lab/problem.hpp"

namespace culvert::lab {

/// A file of the user's as it stands in the config folder.
struct ConfigFile {
  std::string copy;      // its name in the config folder
  std::string original;  // as the user wrote it
};

struct LabState {
  std::string name;
  bool mesh = true;
  bool up = false;  // false: `up` did not reach its end
  bool mounted_bpffs = false;
  AddressPlan plan;
  Placement objects;
  std::vector<ConfigFile> files;
  std::vector<std::string> control_flags, agent_flags, ztunnel_flags, waypoint_flags;  // of `up`
};

std::string encode_state(const LabState& state);
Outcome<LabState> decode_state(const std::string& text);
Outcome<void> save_state(const LabState& state);
/// A problem that names the labs that exist when this one does not, or what to do when `up` broke.
Outcome<LabState> load_state(const LabNames& names);
/// Also of labs that are broken.
std::vector<std::string> list_labs();

/// The exclusive lock of one lab, held until destruction (also by the death of the process).
class LabLock {
 public:
  /// Makes the lab's folder; a problem when the lab exists already.
  static Outcome<LabLock> create(const LabNames& names);
  /// Waits for a command that is under way. nullopt-like problem when there is no such lab.
  static Outcome<LabLock> open(const LabNames& names);

 private:
  explicit LabLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace culvert::lab
