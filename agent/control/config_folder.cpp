#include "config_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "culvert/base/log.hpp"
#include "culvert/base/state_file.hpp"
#include "culvert/config/saved_objects.hpp"
#include "identities.hpp"

namespace culvert::control {
namespace {

constexpr std::string_view kKind = "CVOBJCTS";
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kMaxSavedBytes = 1U << 30;
constexpr std::size_t kMaxLoggedLines = 100;  // of one change; /status has them all

std::string text_of(const config::Condition& condition) {
  return fmt::format("{}: {} is {}: {}: {}", condition.object.to_string(), condition.type,
                     condition.status ? "true" : "false", condition.reason, condition.message);
}

// What is wrong, as lines for the log.
std::set<std::string> complaints(const View& view) {
  std::set<std::string> out;
  for (const Diagnostic& diagnostic : view.diagnostics) out.insert(diagnostic.to_string());
  for (const config::Condition& condition : view.conditions) {
    if (!condition.status) out.insert(text_of(condition));
  }
  return out;
}

}  // namespace

void ConfigFolder::restore() {
  if (saved_.empty()) return;
  remove_unfinished_state_files(saved_);
  const auto content = read_state_file(saved_, kKind, kFormat, kMaxSavedBytes);
  if (!content && content.error().code == ErrorCode::kNotFound) return;
  auto files = content ? config::decode_objects(*content) : std::unexpected(content.error());
  if (!files) {
    log::error("{}: {}; it is ignored", saved_, files.error().to_string());
    return;
  }
  store_.load(std::move(*files));
}

void ConfigFolder::save() {
  if (saved_.empty()) return;
  const auto written =
      write_state_file(saved_, kKind, kFormat, config::encode_objects(*store_.objects()));
  const std::string why = written ? "" : written.error().to_string();
  if (!why.empty() && why != save_problem_) {
    log::error("{}: {}; last good states of now are lost with this process", saved_, why);
  }
  save_problem_ = why;
}

Result<void> ConfigFolder::reload() {
  auto files = config::read_folder(folder_);
  auto next = std::make_shared<View>(*view_);
  if (!files) {
    std::erase_if(next->diagnostics, [&](const Diagnostic& d) { return d.file == folder_; });
    next->diagnostics.push_back(
        {.file = folder_,
         .reason = files.error().to_string() + "; what was read before stays in force",
         .suggestion = {}});
  } else {
    auto report = store_.load(std::move(*files));
    next->diagnostics = std::move(report.diagnostics);
    next->conditions = std::move(report.conditions);
    next->objects = store_.objects();
    auto compiled = compile(*next->objects, settings_, store_.refused());
    next->conditions.insert(next->conditions.end(), compiled.conditions.begin(),
                            compiled.conditions.end());
    const auto routes = routes_.update(*next->objects, compiled.resources);
    next->conditions.insert(next->conditions.end(), routes.begin(), routes.end());
    if (store_.generation() != view_->generation || view_->resources->types.empty()) {
      next->generation = store_.generation();
      next->resources = std::make_shared<const xds::ResourceSet>(
          xds::ResourceSet{next->generation, std::move(compiled.resources)});
      next->identities = identities_by_peer(*next->objects, settings_.trust_domain);
      save();
    }
  }
  log_changes(*view_, *next);
  view_ = std::move(next);
  if (!files) return std::unexpected(files.error());
  return {};
}

void ConfigFolder::log_changes(const View& before, const View& after) const {
  if (before.generation != after.generation) {
    log::info("generation {}: {} objects in force", after.generation, after.objects->size());
  }
  const auto old = complaints(before);
  const auto now = complaints(after);
  std::vector<std::string> fresh;
  std::ranges::set_difference(now, old, std::back_inserter(fresh));
  for (std::size_t i = 0; i < std::min(fresh.size(), kMaxLoggedLines); ++i)
    log::warn("{}", fresh[i]);
  if (fresh.size() > kMaxLoggedLines)
    log::warn("and {} more; see /status", fresh.size() - kMaxLoggedLines);
  if (now.empty() && !old.empty()) log::info("everything that was wrong is put right");
}

}  // namespace culvert::control
