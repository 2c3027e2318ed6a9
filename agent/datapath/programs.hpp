// The BPF programs and maps, loaded. The only place that uses libbpf (behind Programs::Loaded).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "culvert/base/fd.hpp"
#include "problem.hpp"

namespace culvert::agent {

struct ProgramSettings {
  std::uint16_t block_first = 0;  // first port of the outbound block
  unsigned max_handshakes = 0;    // 0: CV_MAX_HANDSHAKES; pinned maps keep the size they have
};

/// Move only; one thread.
class Programs {
 public:
  /// Loads the programs; maps that are pinned in `pin_dir` are used as they are, the others are
  /// made and pinned. Maps of an older layout are migrated: settle() once every hook has these
  /// programs. Refuses pins of a newer layout, and what cannot be migrated, and says how to go on.
  static Outcome<Programs> load(const std::string& pin_dir, const ProgramSettings& settings);
  Programs(Programs&&) noexcept;
  Programs& operator=(Programs&&) noexcept;
  ~Programs();

  /// Descriptors live as long as this object. `name` is the one in bpf/ ("cv_connect4", "cv_pod").
  int program_fd(const char* name) const;
  int map_fd(const char* name) const;
  /// Ends a migration, if there is one: the pins are the new maps from here on.
  Outcome<void> settle();
  /// Lets the guards of all pods, a former agent's too, judge by this object's program.
  Outcome<void> serve_guards();
  /// A pod's own copy of a program: its cookie is written into the instructions.
  Outcome<UniqueFd> load_sk_lookup(std::uint64_t netns_cookie) const;
  Outcome<UniqueFd> load_guard(std::uint64_t netns_cookie) const;

 private:
  struct Loaded;
  explicit Programs(std::unique_ptr<Loaded> loaded);
  static Outcome<void> name_pins(Loaded& loaded, const std::string& pin_dir,
                                 const ProgramSettings& settings);
  Outcome<void> fill_maps();
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace culvert::agent
