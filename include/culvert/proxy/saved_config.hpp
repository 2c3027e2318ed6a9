// What control said last, on disk (STATE_DIR/config.bin), so that a ztunnel that is restarted while
// control is away serves by it, and one that finds control asks only for what differs. Stands
// between the xDS client and the sink of its resources. No key is ever in it. On the control loop's
// thread; files are written on a thread of their own.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "culvert/io/event.hpp"
#include "culvert/io/task.hpp"
#include "culvert/xds/resource_set.hpp"
#include "culvert/xds/subscriber.hpp"

namespace culvert::proxy {

inline constexpr auto kSaveInterval = std::chrono::seconds(1);  // between two writes, at least
inline constexpr std::size_t kMaxSavedBytes = 200U << 20;       // beyond, nothing is saved

/// The file's content: each type's resources. Pure.
std::string encode_resources(const xds::ResourcesByType& types);
/// kInvalid for anything that encode_resources() did not write.
Result<xds::ResourcesByType> decode_resources(std::string_view content);

class SavedConfig final : public xds::ResourceSink {
 public:
  /// `next` gets everything, and outlives it. `state_dir` empty: nothing is read or written.
  SavedConfig(xds::ResourceSink& next, const std::string& state_dir);

  /// What was saved, as responses for Client::restore(); empty without a file, or with one that is
  /// not ours or damaged (logged). Before run().
  std::vector<xds::DeltaResponse> load();

  /// Remembers what `next` accepted.
  std::vector<xds::Rejected> apply(std::string_view type_url, std::vector<xds::AddedResource> added,
                                   std::vector<std::string> removed) override;

  /// Writes changes until its fiber is stopped; then what is left, at once.
  io::Task<> run();

 private:
  io::Task<> save();

  xds::ResourceSink& next_;
  const std::string path_;
  xds::ResourcesByType resources_;
  bool dirty_ = false;
  io::Event changed_;
  std::string problem_;  // of the last write
};

}  // namespace culvert::proxy
