// How full the capture maps are, and the alarm before one is full. A full map refuses: a pod is not
// enrolled, a connection fails; so somebody should hear of it while there is still room.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "problem.hpp"

namespace culvert::agent {

struct MapFill {
  std::string map;
  std::uint32_t entries = 0, capacity = 0;
};

inline constexpr unsigned kAlarmPercent = 80;  // and more: alarm
inline constexpr unsigned kCalmPercent = 70;   // and less: it is over

/// Remembers which maps are too full. A value; no I/O.
class MapAlarm {
 public:
  /// What to log now: maps that became too full, and maps that are so no more.
  struct News {
    std::vector<MapFill> full, calm;
  };
  News look(const std::vector<MapFill>& maps);
  /// The maps that are too full, by name.
  const std::set<std::string>& full() const { return full_; }

 private:
  std::set<std::string> full_;
};

}  // namespace culvert::agent
