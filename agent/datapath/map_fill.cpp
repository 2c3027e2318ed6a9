#include "map_fill.hpp"

#include "culvert/bpf/objects.hpp"
#include "datapath.hpp"

namespace culvert::agent {
namespace {

// The maps that pods or traffic grow; socket storage has no bound of its own. cv_counter has the
// rows of cv_pod.
constexpr const char* kWatched[] = {"cv_pod",    "cv_listener", "cv_origin",
                                    "cv_client", "cv_kubelet",  "cv_exclude"};

unsigned percent(const MapFill& map) {
  return map.capacity == 0 ? 0 : static_cast<unsigned>(100ULL * map.entries / map.capacity);
}

}  // namespace

MapAlarm::News MapAlarm::look(const std::vector<MapFill>& maps) {
  News news;
  for (const MapFill& map : maps) {
    if (percent(map) >= kAlarmPercent && full_.insert(map.map).second) news.full.push_back(map);
    if (percent(map) <= kCalmPercent && full_.erase(map.map) > 0) news.calm.push_back(map);
  }
  return news;
}

// Walks the keys, a system call each: nothing while the maps are as empty as they should be, and
// 65,536 calls (30 ms) for a handshake table that is full.
Outcome<std::vector<MapFill>> Datapath::fill() const {
  std::vector<MapFill> out;
  for (const char* name : kWatched) {
    const int fd = programs_.map_fd(name);
    const auto info = bpf::map_info(fd);
    if (!info) return problem(std::string("ask about ") + name, info.error());
    const auto entries = bpf::count_entries(fd, info->key_size, info->max_entries);
    if (!entries) return problem(std::string("count ") + name, entries.error());
    out.push_back({name, *entries, info->max_entries});
  }
  return out;
}

}  // namespace culvert::agent
