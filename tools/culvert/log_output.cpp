#include "culvert/log_output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "culvert/base/fd.hpp"

namespace culvert::cli {
namespace {

struct LogFile {
  std::string path;
  std::string prefix;
  std::string unfinished;  // a line whose end has not been written yet
  off_t at = 0;
};

// What was appended since the last call.
std::string read_more(LogFile& file) {
  const UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out;
  char buffer[64 << 10];
  while (fd.valid()) {
    const ssize_t n = ::pread(fd.get(), buffer, sizeof buffer, file.at);
    if (n <= 0) break;
    file.at += n;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

void print_lines(LogFile& file, const std::string& text, bool whole) {
  file.unfinished += text;
  std::size_t begin = 0;
  for (std::size_t end = file.unfinished.find('\n'); end != std::string::npos;
       end = file.unfinished.find('\n', begin)) {
    fmt::print("{}{}\n", file.prefix, file.unfinished.substr(begin, end - begin));
    begin = end + 1;
  }
  file.unfinished.erase(0, begin);
  if (whole && !file.unfinished.empty()) fmt::print("{}{}\n", file.prefix, file.unfinished);
  std::fflush(stdout);
}

}  // namespace

std::string last_lines(const std::string& text, int lines) {
  if (lines < 0 || text.empty()) return text;
  std::size_t at = text.size() - (text.back() == '\n' ? 1 : 0);
  for (int i = 0; i < lines; ++i) {
    if (at == 0) return text;
    at = text.rfind('\n', at - 1);
    if (at == std::string::npos) return text;
  }
  return text.substr(std::min(text.size(), at + 1));
}

int print_logs(const std::vector<std::string>& paths, int tail, bool follow) {
  std::vector<LogFile> files;
  for (const std::string& path : paths) {
    const std::string prefix =
        paths.size() > 1 ? std::filesystem::path(path).stem().string() + ": " : "";
    files.push_back({.path = path, .prefix = prefix});
  }
  const UniqueFd watch(follow ? ::inotify_init1(IN_CLOEXEC) : -1);
  for (LogFile& file : files) {
    if (follow) ::inotify_add_watch(watch.get(), file.path.c_str(), IN_MODIFY);
    print_lines(file, last_lines(read_more(file), tail), !follow);
  }
  char events[4096];
  while (follow && ::read(watch.get(), events, sizeof events) > 0)
    for (LogFile& file : files) print_lines(file, read_more(file), false);
  return 0;
}

}  // namespace culvert::cli
