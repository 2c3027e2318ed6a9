#include "loop_thread.hpp"

#include <sched.h>

namespace culvert::sim {

LoopThread::LoopThread(Network& network, int netns) {
  auto backend = std::make_unique<SimBackend>(network, io::BufferPoolOptions{});
  backend_ = backend.get();
  UniqueFd wake(network.make(Socket::Kind::kWake, -1)->fd);
  loop_ = std::make_unique<io::Loop>(std::move(backend), std::move(wake));
  Scheduler& scheduler = network.scheduler();
  scheduler.join(*backend_);
  thread_ = std::thread([this, &network, &scheduler, netns] {
    scheduler.wait_for_first_run(*backend_);
    const int home = network.make(Socket::Kind::kNamespace, netns)->fd;
    ::setns(home, 0);
    network.close(home);
    loop_->run();
    scheduler.leave(*backend_);
  });
}

}  // namespace culvert::sim
