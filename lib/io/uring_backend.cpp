// The io_uring backend: one ring a loop, requests as submission entries whose user data is the
// request, a ring of provided buffers for pooled receives. The only file that includes liburing.
// Sources: io_uring_setup(2), io_uring_enter(2), io_uring_register(2). Floor: kernel 5.19 (provided
// buffer rings); SINGLE_ISSUER and DEFER_TASKRUN (6.0, 6.1) are used where the kernel takes them.
#include <liburing.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "busy_poll.hpp"
#include "culvert/io/backend.hpp"
#include "ring_rules.hpp"

namespace culvert::io {
namespace {

constexpr unsigned kBufferGroup = 1;
constexpr unsigned kCompletionBatch = 256;

class UringBackend final : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> create(unsigned entries, BufferPoolOptions pool,
                                                 std::chrono::microseconds busy_poll) {
    auto self = std::unique_ptr<UringBackend>(new UringBackend(pool, busy_poll));
    // Newest first; each older kernel refuses the flags that it does not know with EINVAL.
    constexpr std::array<unsigned, 3> kFlagSets{
        IORING_SETUP_SINGLE_ISSUER | kDeferTaskrun | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0U};
    int error = EINVAL;
    for (const unsigned flags : kFlagSets) {
      io_uring_params params{};
      // Disabled until the first operation: only such a ring takes restrictions, and SINGLE_ISSUER
      // binds it to the thread that enables it, so that a loop may be made on one thread and run on
      // another.
      params.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
      params.cq_entries = entries * 4;
      error = -io_uring_queue_init_params(entries, &self->ring_, &params);
      if (error == 0) break;
      if (error != EINVAL) break;
    }
    if (error != 0) return fail_errno(error, "create io_uring");
    self->ring_open_ = true;
    if (auto ok = self->register_pool(); !ok) return std::unexpected(ok.error());
    if (auto ok = restrict_ring(self->ring_.ring_fd); !ok) return std::unexpected(ok.error());
    return self;
  }

  ~UringBackend() override {
    if (ring_open_) io_uring_queue_exit(&ring_);
    if (ring_memory_ != MAP_FAILED) ::munmap(ring_memory_, ring_bytes_);
    if (pool_memory_ != MAP_FAILED) ::munmap(pool_memory_, pool_bytes_);
  }

  void start(IoRequest& request) override {
    io_uring_sqe* sqe = next_sqe();
    prepare(*sqe, request);
    assert(ring_allows(sqe->opcode) && "an operation of ours stands in lib/io/ring_rules.hpp");
    io_uring_sqe_set_data(sqe, &request);
    ++in_flight_;
  }

  void cancel(IoRequest& request) override {
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_cancel(sqe, &request, 0);
    io_uring_sqe_set_data(sqe, nullptr);
  }

  void turn(bool wait, Deadline until) override {
    // The buffers returned since the last turn become visible to the kernel together.
    io_uring_buf_ring_advance(buffers_, std::exchange(returned_, 0));
    const auto began = Clock::now();
    if (!wait || until <= began) {
      io_uring_submit_and_get_events(&ring_);
    } else {
      if (!busy_poll_.wanted(began) || !look_for_work(began, until)) sleep(until);
      busy_poll_.waited(Clock::now() - began);
    }
    reap();
  }

  std::span<std::uint8_t> buffer(std::uint16_t id) override {
    return {static_cast<std::uint8_t*>(pool_memory_) + std::size_t{id} * stride(), pool_.bytes};
  }

  void return_buffer(std::uint16_t id) override {
    io_uring_buf_ring_add(buffers_, buffer(id).data(), pool_.bytes, id,
                          io_uring_buf_ring_mask(pool_.count), returned_);
    ++returned_;
    ++free_;
  }

  std::size_t free_buffers() const override { return free_; }
  std::size_t buffer_count() const override { return pool_.count; }

  std::size_t in_flight() const override { return in_flight_; }

 private:
  static constexpr unsigned kDeferTaskrun = 1U << 13;  // IORING_SETUP_DEFER_TASKRUN, kernel 6.1
  UringBackend(BufferPoolOptions pool, std::chrono::microseconds busy_poll)
      : pool_(pool), busy_poll_(busy_poll) {}

  // Submits, and looks for completions without sleeping; true once there are some. The core is
  // anybody's meanwhile: who is ready to run there gets it at once.
  bool look_for_work(Deadline began, Deadline until) {
    io_uring_submit_and_get_events(&ring_);
    const auto end = std::min(until, began + busy_poll_.limit());
    for (auto now = began; io_uring_cq_ready(&ring_) == 0;) {
      if ((IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_TASKRUN) != 0) {
        io_uring_get_events(&ring_);  // completions wait in the kernel for this thread to ask
        continue;
      }
      if (now >= end) return false;
      ::sched_yield();
      const auto looked = Clock::now();
      busy_poll_.looked(looked - now, looked);
      now = looked;
    }
    return true;
  }

  void sleep(Deadline until) {
    if (until == kNoDeadline) {
      io_uring_submit_and_wait(&ring_, 1);
      return;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
    if (left <= 0) {
      io_uring_submit_and_get_events(&ring_);
      return;
    }
    __kernel_timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    io_uring_cqe* unused = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &unused, 1, &timeout, nullptr);
  }

  // Buffers begin at pages.
  std::size_t stride() const { return (std::size_t{pool_.bytes} + 4095) / 4096 * 4096; }

  Result<void> register_pool() {
    ring_bytes_ = sizeof(io_uring_buf) * pool_.count;
    pool_bytes_ = std::size_t{pool_.count} * stride();
    ring_memory_ =
        ::mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    pool_memory_ =
        ::mmap(nullptr, pool_bytes_, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (ring_memory_ == MAP_FAILED || pool_memory_ == MAP_FAILED) {
      return fail_errno(errno, "map the receive buffers");
    }
    buffers_ = static_cast<io_uring_buf_ring*>(ring_memory_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
    registration.ring_entries = pool_.count;
    registration.bgid = kBufferGroup;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error != 0) {
      return fail_errno(-error, "register the receive buffers");
    }
    io_uring_buf_ring_init(buffers_);
    for (std::uint16_t id = 0; id < pool_.count; ++id) return_buffer(id);
    return {};
  }

  io_uring_sqe* next_sqe() {
    enable();
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      io_uring_submit(&ring_);  // the queue is full: hand it over early
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  void enable() {
    if (enabled_) return;
    enabled_ = true;
    [[maybe_unused]] const auto ok = enable_ring(ring_.ring_fd);
    assert(ok.has_value() && "a ring that was created can be enabled");
  }

  static void prepare(io_uring_sqe& sqe, const IoRequest& r) {
    switch (r.kind) {
      case IoKind::kAccept:
        io_uring_prep_accept(&sqe, r.fd, r.address, r.address_size, SOCK_CLOEXEC);
        break;
      case IoKind::kConnect:
        io_uring_prep_connect(&sqe, r.fd, r.address, r.connect_size);
        break;
      case IoKind::kRecvPooled:
        io_uring_prep_recv(&sqe, r.fd, nullptr, 0, r.flags);
        sqe.flags |= IOSQE_BUFFER_SELECT;
        sqe.buf_group = kBufferGroup;
        break;
      case IoKind::kRecv:
        io_uring_prep_recv(&sqe, r.fd, r.data, r.size, r.flags);
        break;
      case IoKind::kRecvMsg:
        io_uring_prep_recvmsg(&sqe, r.fd, r.message, static_cast<unsigned>(r.flags));
        break;
      case IoKind::kSend:
        io_uring_prep_send(&sqe, r.fd, r.data, r.size, r.flags);
        break;
      case IoKind::kSendMsg:
        io_uring_prep_sendmsg(&sqe, r.fd, r.message, static_cast<unsigned>(r.flags));
        break;
      case IoKind::kRead:
        io_uring_prep_read(&sqe, r.fd, r.data, static_cast<unsigned>(r.size),
                           static_cast<std::uint64_t>(-1));
        break;
      case IoKind::kPoll:
        io_uring_prep_poll_add(&sqe, r.fd, static_cast<unsigned>(r.flags));
        break;
    }
  }

  void reap() {
    std::array<io_uring_cqe*, kCompletionBatch> batch;
    while (const unsigned count = io_uring_peek_batch_cqe(&ring_, batch.data(), batch.size())) {
      for (unsigned i = 0; i < count; ++i) {
        auto* request = static_cast<IoRequest*>(io_uring_cqe_get_data(batch[i]));
        if (request == nullptr) continue;  // the answer to a cancellation
        --in_flight_;
        const bool has_buffer = (batch[i]->flags & IORING_CQE_F_BUFFER) != 0;
        const auto id = static_cast<std::uint16_t>(batch[i]->flags >> IORING_CQE_BUFFER_SHIFT);
        if (has_buffer) --free_;
        if (has_buffer && batch[i]->res <= 0) return_buffer(id);
        request->complete(batch[i]->res, has_buffer && batch[i]->res > 0 ? id : kNoBuffer);
      }
      io_uring_cq_advance(&ring_, count);
    }
  }

  io_uring ring_{};
  bool ring_open_ = false;
  bool enabled_ = false;
  BufferPoolOptions pool_;
  BusyPoll busy_poll_;
  void* ring_memory_ = MAP_FAILED;
  std::size_t ring_bytes_ = 0;
  void* pool_memory_ = MAP_FAILED;
  std::size_t pool_bytes_ = 0;
  io_uring_buf_ring* buffers_ = nullptr;
  int returned_ = 0;  // since the last turn
  std::size_t free_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_uring_backend(unsigned entries, BufferPoolOptions pool,
                                                    std::chrono::microseconds busy_poll) {
  return UringBackend::create(entries, pool, busy_poll);
}

}  // namespace culvert::io
