#include "ring_rules.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "culvert/base/fd.hpp"
#include "culvert/io/backend.hpp"

using namespace culvert;
using namespace culvert::io;

namespace {

int register_with(int ring, unsigned operation, void* argument = nullptr, unsigned count = 0) {
  return ::syscall(__NR_io_uring_register, ring, operation, argument, count) == 0 ? 0 : -errno;
}

// A ring of one entry by the three system calls, on which anything can be asked for.
class BareRing {
 public:
  BareRing() {
    io_uring_params params{};
    params.flags = IORING_SETUP_R_DISABLED;
    fd_ = UniqueFd(static_cast<int>(::syscall(__NR_io_uring_setup, 1U, &params)));
    REQUIRE(fd_.valid());
    REQUIRE((params.features & IORING_FEAT_SINGLE_MMAP) != 0);
    bytes_ = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    rings_ = static_cast<std::uint8_t*>(map(bytes_, IORING_OFF_SQ_RING));
    entry_ = static_cast<io_uring_sqe*>(map(sizeof(io_uring_sqe), IORING_OFF_SQES));
    sq_tail_ = word(params.sq_off.tail);
    sq_array_ = word(params.sq_off.array);
    cq_head_ = word(params.cq_off.head);
    completions_ = reinterpret_cast<io_uring_cqe*>(rings_ + params.cq_off.cqes);
  }
  ~BareRing() {
    ::munmap(entry_, sizeof(io_uring_sqe));
    ::munmap(rings_, bytes_);
  }
  BareRing(const BareRing&) = delete;
  BareRing& operator=(const BareRing&) = delete;

  int fd() const { return fd_.get(); }

  // The result of one operation.
  int ask(const io_uring_sqe& operation) {
    *entry_ = operation;
    *sq_array_ = 0;
    std::atomic_ref(*sq_tail_).fetch_add(1, std::memory_order_release);
    const long done =
        ::syscall(__NR_io_uring_enter, fd(), 1U, 1U, IORING_ENTER_GETEVENTS, nullptr, 0);
    REQUIRE(done == 1);
    // The completion queue has two entries, used in turn.
    const auto head = std::atomic_ref(*cq_head_).fetch_add(1, std::memory_order_acq_rel);
    return completions_[head % 2].res;
  }

 private:
  void* map(std::size_t bytes, off_t offset) {
    void* at =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd(), offset);
    REQUIRE(at != MAP_FAILED);
    return at;
  }
  std::uint32_t* word(std::uint32_t offset) {
    return reinterpret_cast<std::uint32_t*>(rings_ + offset);
  }

  UniqueFd fd_;
  std::size_t bytes_ = 0;
  std::uint8_t* rings_ = nullptr;
  io_uring_sqe* entry_ = nullptr;
  std::uint32_t* sq_tail_ = nullptr;
  std::uint32_t* sq_array_ = nullptr;
  std::uint32_t* cq_head_ = nullptr;
  io_uring_cqe* completions_ = nullptr;
};

io_uring_sqe operation(std::uint8_t opcode, std::uint8_t flags = 0) {
  io_uring_sqe made{};
  made.opcode = opcode;
  made.flags = flags;
  made.fd = -1;
  return made;
}

struct Answer final : IoRequest {
  std::int32_t result = 1;
  void complete(std::int32_t r, std::uint16_t) override { result = r; }
};

// The rings that this process has.
std::vector<int> rings() {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == "anon_inode:[io_uring]") {
      found.push_back(std::stoi(entry.path().filename()));
    }
  }
  return found;
}

}  // namespace

TEST_CASE("the kernel refuses operations, flags and registrations that are not in the table") {
  BareRing ring;
  REQUIRE(restrict_ring(ring.fd()).has_value());
  REQUIRE(enable_ring(ring.fd()).has_value());
  for (const auto refused : {IORING_OP_NOP, IORING_OP_OPENAT, IORING_OP_WRITE, IORING_OP_SOCKET,
                             IORING_OP_URING_CMD, IORING_OP_MSG_RING, IORING_OP_SPLICE}) {
    CHECK_FALSE(ring_allows(refused));
    CHECK(ring.ask(operation(refused)) == -EACCES);
  }
  CHECK(ring.ask(operation(IORING_OP_READ, IOSQE_FIXED_FILE)) == -EACCES);
  CHECK(ring.ask(operation(IORING_OP_READ, IOSQE_IO_DRAIN)) == -EACCES);
  CHECK(ring.ask(operation(IORING_OP_READ)) == -EBADF);
  int file = 0;
  CHECK(register_with(ring.fd(), IORING_REGISTER_FILES, &file, 1) == -EACCES);
  CHECK(register_with(ring.fd(), IORING_REGISTER_RESTRICTIONS) == -EACCES);
  CHECK(register_with(ring.fd(), IORING_REGISTER_ENABLE_RINGS) == -EBADFD);
}

TEST_CASE("without the table the same ring would do them") {
  BareRing ring;
  REQUIRE(enable_ring(ring.fd()).has_value());
  CHECK(ring.ask(operation(IORING_OP_NOP)) == 0);
}

TEST_CASE("every kind of request is in the table, and the backend's ring is restricted") {
  const auto before = rings();
  auto backend = make_uring_backend(8, {});
  REQUIRE(backend.has_value());
  sockaddr_storage address{};
  address.ss_family = AF_INET;
  socklen_t size = sizeof address;
  msghdr message{};
  char byte = 0;
  for (int kind = 0; kind <= static_cast<int>(IoKind::kPoll); ++kind) {
    CAPTURE(kind);
    Answer request;
    request.kind = static_cast<IoKind>(kind);
    switch (request.kind) {
      case IoKind::kAccept:
        request.address = reinterpret_cast<sockaddr*>(&address);
        request.address_size = &size;
        break;
      case IoKind::kConnect:
        request.address = reinterpret_cast<sockaddr*>(&address);
        request.connect_size = sizeof(sockaddr_in);
        break;
      case IoKind::kRecvMsg:
      case IoKind::kSendMsg:
        request.message = &message;
        break;
      default:
        request.data = &byte;
        request.size = 1;
    }
    (*backend)->start(request);
    (*backend)->turn(true, kNoDeadline);
    CHECK(request.result == -EBADF);
  }
  auto now = rings();
  std::erase_if(now, [&](int fd) { return std::ranges::find(before, fd) != before.end(); });
  REQUIRE(now.size() == 1);
  int file = 0;
  CHECK(register_with(now.front(), IORING_REGISTER_FILES, &file, 1) == -EACCES);
}
