#include "config_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "culvert/base/log.hpp"
#include "identities.hpp"

namespace culvert::control {
namespace {

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
  if (auto files = saved_.restore(); !files.empty()) store_.load(std::move(files));
}

Result<void> ConfigFolder::reload(const FolderChange& change,
                                  const std::set<std::string>& half_written) {
  const auto read =
      change.all ? folder_.read(half_written) : folder_.read_named(change.names, half_written);
  if (read) {
    take(store_.load(folder_.files()));
    return {};
  }
  auto next = std::make_shared<View>(*view_);
  std::erase_if(next->diagnostics, [&](const Diagnostic& d) { return d.file == dir_; });
  next->diagnostics.push_back(
      {.file = dir_,
       .reason = read.error().to_string() + "; what was read before stays in force",
       .suggestion = {}});
  view_ = std::move(next);
  finished_ = false;
  return read;
}

void ConfigFolder::take(config::LoadReport report) {
  auto next = std::make_shared<View>(*view_);
  next->diagnostics = std::move(report.diagnostics);
  next->objects = store_.objects();
  const bool first = view_->resources->types.empty();
  if (first || store_.generation() != view_->generation) {
    auto compiled = compiler_.compile(*next->objects, store_.refused(), report.changes);
    next->generation = store_.generation();
    next->resources = std::make_shared<const xds::ResourceSet>(
        xds::ResourceSet{next->generation, std::move(compiled.resources)});
    if (first || concerns_mesh(report.changes))
      next->identities = identities_by_peer(*next->objects, settings_.trust_domain);
    compiled_conditions_ = std::move(compiled.conditions);
  }
  accepted_ = std::move(report.conditions);
  view_ = std::move(next);
  finished_ = false;
}

void ConfigFolder::finish() {
  if (finished_) return;
  finished_ = true;
  auto next = std::make_shared<View>(*view_);
  next->conditions = accepted_;
  std::ranges::copy(compiled_conditions_, std::back_inserter(next->conditions));
  std::ranges::copy(routes_.update(*next->objects, next->resources->types),
                    std::back_inserter(next->conditions));
  if (next->generation != told_->generation) saved_.save(next->objects);
  log_changes(*told_, *next);
  view_ = told_ = std::move(next);
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
