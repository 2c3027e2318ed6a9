#include "culvert/telemetry/process_metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

namespace culvert::telemetry {
namespace {

using Type = PrometheusText::Type;

// Fields of /proc/self/stat, numbered from 1 as in proc(5).
enum StatField : std::uint8_t {
  kUserTicks = 14,
  kKernelTicks = 15,
  kThreads = 20,
  kStart = 22,
  kVirtualBytes = 23,
  kResidentPages = 24
};

std::string read_file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The fields behind the command's name, which stands in parentheses and may hold anything.
std::vector<std::string_view> stat_fields(std::string_view stat) {
  std::vector<std::string_view> out;
  const auto name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return out;
  stat.remove_prefix(name_end + 1);
  while (true) {
    const auto begin = stat.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return out;
    stat.remove_prefix(begin);
    out.push_back(stat.substr(0, stat.find_first_of(" \n")));
    stat.remove_prefix(out.back().size());
  }
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc{}) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> boot_time() {
  const std::string stat = read_file("/proc/stat");
  const auto at = stat.find("\nbtime ");
  if (at == std::string::npos) return std::nullopt;
  return number(std::string_view(stat).substr(at + 7));
}

std::optional<std::uint64_t> open_descriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(folder);
  return count - 1;  // the folder's own
}

void write(PrometheusText& out, const char* name, const char* help, Type type,
           std::optional<double> value) {
  if (!value) return;
  out.family(name, help, type);
  out.sample("", *value);
}

}  // namespace

void render_process(PrometheusText& out) {
  const std::string stat = read_file("/proc/self/stat");
  const auto fields = stat_fields(stat);
  constexpr std::size_t kFirst = 3;  // of those behind the name
  const auto field = [&](StatField which) -> std::optional<double> {
    const std::size_t index = which - kFirst;
    const auto value = index < fields.size() ? number(fields[index]) : std::nullopt;
    if (!value) return std::nullopt;
    return static_cast<double>(*value);
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  rlimit limit{};
  const bool limited = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;

  if (const auto count = open_descriptors()) {
    write(out, "process_open_fds", "Number of open file descriptors.", Type::kGauge,
          static_cast<double>(*count));
  }
  if (limited) {
    write(out, "process_max_fds", "Maximum number of open file descriptors.", Type::kGauge,
          static_cast<double>(limit.rlim_cur));
  }
  write(out, "process_threads", "Number of threads.", Type::kGauge, field(kThreads));
  const auto user = field(kUserTicks), kernel = field(kKernelTicks);
  if (user && kernel) {
    write(out, "process_cpu_seconds_total", "User and system CPU time spent, in seconds.",
          Type::kCounter, (*user + *kernel) / ticks);
  }
  if (const auto pages = field(kResidentPages)) {
    write(out, "process_resident_memory_bytes", "Resident memory.", Type::kGauge, *pages * page);
  }
  write(out, "process_virtual_memory_bytes", "Virtual memory.", Type::kGauge, field(kVirtualBytes));
  const auto start = field(kStart);
  const auto booted = boot_time();
  if (start && booted) {
    write(out, "process_start_time_seconds", "Start of the process, in seconds since the epoch.",
          Type::kGauge, static_cast<double>(*booted) + *start / ticks);
  }
}

}  // namespace culvert::telemetry
