#include "culvert/proxy/saved_config.hpp"

#include <set>
#include <thread>
#include <utility>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/base/state_file.hpp"

namespace culvert::proxy {

using io::Task;

namespace {

constexpr std::string_view kKind = "CVXDSCFG";
constexpr std::uint32_t kFormat = 1;

struct Write {
  std::string path;
  std::string content;
  Result<void> done;
  bool finished = false;
  io::Event ended;
};

}  // namespace

std::string encode_resources(const xds::ResourcesByType& types) {
  std::string out;
  for (const auto& [url, resources] : types) {
    xds::DeltaResponse saved;
    saved.type_url = url;
    for (const auto& [name, resource] : resources) {
      saved.resources.push_back({name, resource.version, url, resource.bytes});
    }
    append_text(out, xds::serialize(saved));
  }
  return out;
}

Result<xds::ResourcesByType> decode_resources(std::string_view content) {
  xds::ResourcesByType types;
  while (!content.empty()) {
    const auto one = take_text(content);
    auto saved = one ? xds::parse_delta_response(*one)
                     : fail(ErrorCode::kInvalid, "saved configuration that is cut");
    if (!saved) return std::unexpected(saved.error());
    auto& resources = types[saved->type_url];
    if (!resources.empty())
      return fail(ErrorCode::kInvalid, "saved configuration with a type twice");
    for (auto& resource : saved->resources) {
      resources[std::move(resource.name)] = {std::move(resource.version),
                                             std::move(resource.bytes)};
    }
  }
  return types;
}

SavedConfig::SavedConfig(xds::ResourceSink& next, const std::string& state_dir)
    : next_(next), path_(state_dir.empty() ? "" : state_dir + "/config.bin") {}

std::vector<xds::DeltaResponse> SavedConfig::load() {
  if (path_.empty()) return {};
  remove_unfinished_state_files(path_);
  const auto content = read_state_file(path_, kKind, kFormat, kMaxSavedBytes);
  if (!content && content.error().code == ErrorCode::kNotFound) return {};
  auto types = content ? decode_resources(*content) : std::unexpected(content.error());
  if (!types) {
    log::error("{}: {}; it is ignored", path_, types.error().to_string());
    return {};
  }
  std::vector<xds::DeltaResponse> out;
  std::size_t count = 0;
  for (auto& [url, resources] : *types) {
    auto& response = out.emplace_back();
    response.type_url = url;
    count += resources.size();
    for (auto& [name, resource] : resources) {
      response.resources.push_back(
          {name, std::move(resource.version), url, std::move(resource.bytes)});
    }
  }
  log::info("{}: {} resources of an earlier run", path_, count);
  return out;
}

std::vector<xds::Rejected> SavedConfig::apply(std::string_view type_url,
                                              std::vector<xds::AddedResource> added,
                                              std::vector<std::string> removed) {
  if (path_.empty()) return next_.apply(type_url, std::move(added), std::move(removed));
  auto& resources = resources_[std::string(type_url)];
  for (const auto& name : removed) resources.erase(name);
  const auto copies = added;
  auto rejected = next_.apply(type_url, std::move(added), std::move(removed));
  std::set<std::string_view> refused;
  for (const auto& one : rejected) refused.insert(one.name);
  for (const auto& one : copies) {
    if (!refused.contains(one.name)) resources[one.name] = {one.version, one.bytes};
  }
  dirty_ = true;
  changed_.notify();
  return rejected;
}

Task<> SavedConfig::run() {
  if (path_.empty()) co_return;
  while (true) {
    while (!dirty_) {
      if (!co_await changed_.wait(io::kNoDeadline)) co_return;
    }
    co_await save();
    if (co_await io::sleep_until(io::in(kSaveInterval))) continue;
    if (std::exchange(dirty_, false)) {  // stopped with something left: nobody waits for us now
      (void)write_state_file(path_, kKind, kFormat, encode_resources(resources_));
    }
    co_return;
  }
}

// The thread does the waiting for the disk; it is joined when it has said that it ended.
Task<> SavedConfig::save() {
  dirty_ = false;
  auto write = std::make_shared<Write>();
  write->path = path_;
  write->content = encode_resources(resources_);
  if (write->content.size() > kMaxSavedBytes) {
    log::error("{}: the configuration is over 200 MiB: not saved", path_);
    co_return;
  }
  auto* const loop = &io::Loop::current();
  std::thread writer([write, loop] {
    write->done = write_state_file(write->path, kKind, kFormat, write->content);
    loop->post([write] {
      write->finished = true;
      write->ended.notify();
    });
  });
  while (!write->finished) {
    if (!co_await write->ended.wait(io::kNoDeadline)) break;
  }
  writer.join();
  const std::string why = write->done ? "" : write->done.error().to_string();
  if (!why.empty() && why != problem_) log::error("{}: {}; it is as it was before", path_, why);
  problem_ = why;
}

}  // namespace culvert::proxy
