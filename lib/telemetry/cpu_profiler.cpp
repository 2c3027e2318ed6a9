// Timers, signals and the wait. One profile of the process at a time: timers and the handler are
// the process's.
#include "culvert/telemetry/cpu_profiler.hpp"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>

#include "culvert/base/gzip.hpp"
#include "pprof.hpp"
#include "profile_samples.hpp"

namespace culvert::telemetry {
namespace {

// The handler's only way to the samples; null while no profile is taken. A handler that has read it
// counts itself in first, so that who takes it away can wait.
std::atomic<ProfileSamples*> g_samples{nullptr};
std::atomic<int> g_inside{0};
std::atomic<bool> g_taken{false};

void on_profile_signal(int, siginfo_t*, void* context) {
  const int saved = errno;
  g_inside.fetch_add(1);
  if (ProfileSamples* samples = g_samples.load()) {
    const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    const auto pc = static_cast<std::uintptr_t>(registers.gregs[REG_RIP]);
    const auto frame = static_cast<std::uintptr_t>(registers.gregs[REG_RBP]);
    const auto stack = static_cast<std::uintptr_t>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
    const auto pc = static_cast<std::uintptr_t>(registers.pc);
    const auto frame = static_cast<std::uintptr_t>(registers.regs[29]);
    const auto stack = static_cast<std::uintptr_t>(registers.sp);
#else
#error "name this machine's program counter, frame pointer and stack pointer"
#endif
    samples->take(static_cast<std::uint32_t>(::syscall(SYS_gettid)), pc, frame, stack);
  }
  g_inside.fetch_sub(1);
  errno = saved;
}

// Stays installed: a signal may be on its way when the timers are gone, and would end the process.
Result<void> install_handler() {
  struct sigaction action{};
  action.sa_sigaction = on_profile_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigfillset(&action.sa_mask);
  if (::sigaction(SIGPROF, &action, nullptr) != 0) return fail_errno(errno, "handle SIGPROF");
  return {};
}

// The kernel's clock of the CPU time of a thread (linux/posix-timers_types.h: the inverted id, and
// three bits that say "of a thread, as the scheduler counts").
clockid_t cpu_clock_of(pid_t thread) {
  constexpr unsigned kThreadScheduled = 4 | 2;
  return static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3) | kThreadScheduled);
}

std::vector<pid_t> threads() {
  std::vector<pid_t> out;
  DIR* folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return out;
  while (const dirent* entry = ::readdir(folder)) {
    pid_t id = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, id).ec == std::errc{}) out.push_back(id);
  }
  ::closedir(folder);
  return out;
}

class Timers {
 public:
  explicit Timers(int hertz) {
    const timespec every{hertz == 1 ? 1 : 0, hertz == 1 ? 0 : 1'000'000'000L / hertz};
    for (const pid_t thread : threads()) {
      sigevent event{};
      event.sigev_notify = SIGEV_THREAD_ID;
      event.sigev_signo = SIGPROF;
      event._sigev_un._tid = thread;
      timer_t timer{};
      // A thread that has ended meanwhile has no clock any more.
      if (::timer_create(cpu_clock_of(thread), &event, &timer) != 0) continue;
      const itimerspec times{every, every};
      ::timer_settime(timer, 0, &times, nullptr);
      timers_.push_back(timer);
    }
  }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  ~Timers() {
    for (const timer_t timer : timers_) ::timer_delete(timer);
  }
  bool none() const { return timers_.empty(); }

 private:
  std::vector<timer_t> timers_;
};

// The profile is the process's for the life of this object.
class Taken {
 public:
  Taken() : mine_(!g_taken.exchange(true)) {}
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  ~Taken() {
    if (mine_) g_taken.store(false);
  }
  bool mine() const { return mine_; }

 private:
  const bool mine_;
};

}  // namespace

Result<std::string> CpuProfiler::run(std::chrono::seconds duration, int hertz) {
  if (duration.count() < 1 || duration > kMaxProfileTime || hertz < 1 || hertz > kMaxProfileHertz)
    return fail(ErrorCode::kInvalid, "take a CPU profile", Origin::kClient);
  const Taken taken;
  if (!taken.mine()) return fail(ErrorCode::kLimit, "take a second CPU profile");
  if (auto ready = install_handler(); !ready) return std::unexpected(ready.error());
  const auto mappings = read_mappings();
  ProfileSamples samples(stack_ranges(mappings));
  const auto begun = std::chrono::system_clock::now();
  bool cancelled = false;
  g_samples.store(&samples);
  {
    const Timers timers(hertz);
    if (!timers.none()) {
      std::unique_lock lock(mutex_);
      cancelled = stopped_.wait_for(lock, duration, [this] { return stopping_; });
    }
  }
  g_samples.store(nullptr);
  while (g_inside.load() != 0) ::sched_yield();
  if (cancelled) return fail(ErrorCode::kCancelled, "take a CPU profile");
  auto packed = gzip(write_pprof(samples, mappings, {begun, duration, hertz}));
  if (!packed) return fail(ErrorCode::kLimit, "compress a CPU profile");
  return std::move(*packed);
}

void CpuProfiler::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  stopped_.notify_all();
}

}  // namespace culvert::telemetry
