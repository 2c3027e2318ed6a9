#include "culvert/telemetry/line_writer.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "culvert/base/log.hpp"

namespace culvert::telemetry {
namespace {

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // nowhere left to say so
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Of this thread among all that ever pushed.
unsigned thread_number() {
  static std::atomic<unsigned> threads{0};
  thread_local const unsigned own = threads.fetch_add(1, std::memory_order_relaxed);
  return own;
}

}  // namespace

LineWriter::LineWriter(int fd) : fd_(fd), thread_([this] { run(); }) {}

LineWriter::~LineWriter() {
  stopping_.store(true, std::memory_order_release);
  pushes_.fetch_add(1, std::memory_order_release);
  pushes_.notify_one();
  thread_.join();
}

void LineWriter::push(std::string_view line) {
  if (waiting_bytes_.load(std::memory_order_relaxed) > kMaxWaitingLogBytes) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  waiting_bytes_.fetch_add(line.size(), std::memory_order_relaxed);
  if (const unsigned own = thread_number(); own < kLogPlaces) {
    gather(places_[own].lines, line);
  } else {
    Node* node = new Node{std::string(line), newest_.load(std::memory_order_relaxed)};
    while (!newest_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                          std::memory_order_relaxed)) {
    }
  }
  pushes_.fetch_add(1, std::memory_order_release);
  pushes_.notify_one();
}

// This thread and the writer alone meet here, so what is taken away is put back to an empty place.
void LineWriter::gather(std::atomic<std::string*>& place, std::string_view line) {
  std::string* lines = place.exchange(nullptr, std::memory_order_acquire);
  if (lines == nullptr) lines = new std::string;
  lines->append(line);
  place.store(lines, std::memory_order_release);
}

bool LineWriter::write_gathered() {
  bool any = false;
  for (Place& place : places_) {
    const std::unique_ptr<std::string> lines(
        place.lines.exchange(nullptr, std::memory_order_acquire));
    if (!lines) continue;
    waiting_bytes_.fetch_sub(lines->size(), std::memory_order_relaxed);
    write_all(fd_, *lines);
    any = true;
  }
  return any;
}

// The list is newest first: it is turned round, so that lines leave in the order they came.
void LineWriter::write_out(Node* newest) {
  Node* oldest = nullptr;
  while (newest != nullptr) {
    Node* next = std::exchange(newest->next, oldest);
    oldest = std::exchange(newest, next);
  }
  std::string batch;
  while (oldest != nullptr) {
    batch += oldest->line;
    delete std::exchange(oldest, oldest->next);
  }
  waiting_bytes_.fetch_sub(batch.size(), std::memory_order_relaxed);
  write_all(fd_, batch);
}

void LineWriter::run() {
  std::uint64_t told = 0;
  while (true) {
    const std::uint32_t seen = pushes_.load(std::memory_order_acquire);
    const bool last = stopping_.load(std::memory_order_acquire);
    Node* const newest = newest_.exchange(nullptr, std::memory_order_acquire);
    const bool gathered = write_gathered();
    if (newest != nullptr) write_out(newest);
    if (const auto lost = dropped(); lost != std::exchange(told, lost)) {
      write_all(fd_, log::format_line(log::Level::kWarn,
                                      fmt::format("{} access log lines dropped so far", lost)));
    }
    if (last) return;
    if (gathered || newest != nullptr) {
      std::this_thread::sleep_for(kGatherLines);  // nobody is woken for the lines of this time
    } else {
      pushes_.wait(seen, std::memory_order_acquire);
    }
  }
}

}  // namespace culvert::telemetry
