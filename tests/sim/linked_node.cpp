#include "linked_node.hpp"

namespace culvert::sim {

using io::Task;

LinkedNode::LinkedNode(Network& network, int netns, std::string name, std::string control_socket,
                       std::vector<std::string> identities,
                       std::function<void(const mesh::Snapshot&)> take)
    : network_(network),
      identities_(std::move(identities)),
      take_(std::move(take)),
      thread_(network, netns) {
  settings_.node = std::move(name);
  settings_.control_socket = std::move(control_socket);
  settings_.state_dir.clear();
  thread_.loop().post([this] {
    thread_.loop().root().spawn([](LinkedNode* self) -> Task<> { co_await self->main(); }, this);
  });
}

// As ztunnel's own composition root has it.
Task<> LinkedNode::main() {
  feed_.emplace(settings_.trust_domain, [this](const mesh::SnapshotPtr& snapshot) {
    if (certificates_) certificates_->control_spoke();
    take_(*snapshot);
  });
  link_.emplace(ztunnel::link_options(settings_), *feed_);
  certificates_.emplace(
      *link_,
      [this](const std::string& identity, const auto&, const auto&) {
        renewals_[identity].push_back(network_.scheduler().now());
      },
      [](const std::string&) {});
  io::Scope parts;
  parts.spawn([](proxy::ControlLink* link) -> Task<> { co_await link->run(); }, &*link_);
  for (const auto& identity : identities_) certificates_->want(identity);
  while (!stop_asked_) (void)co_await stopping_.wait(io::kNoDeadline);
  parts.request_stop();
  co_await parts.join();
  co_await certificates_->stop();
  co_await link_->close();
  certificates_.reset();
  link_.reset();
  thread_.loop().stop();
}

void LinkedNode::stop() {
  thread_.loop().post([this] {
    stop_asked_ = true;
    stopping_.notify();
  });
}

}  // namespace culvert::sim
