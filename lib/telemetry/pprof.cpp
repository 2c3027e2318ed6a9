#include "pprof.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <unordered_map>

#include "symbols.hpp"

namespace culvert::telemetry {
namespace {

// Field numbers of profile.proto.
enum ProfileField : std::uint8_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStrings = 6,
  kDropFrames = 7,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
};

/// Protobuf's wire format, as far as it is needed: varints and bytes.
class Message {
 public:
  void number(unsigned field, std::uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  void bytes(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void message(unsigned field, const Message& value) { bytes(field, value.out_); }
  std::string take() { return std::move(out_); }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

class Writer {
 public:
  explicit Writer(const std::vector<Mapping>& mappings) : mappings_(mappings) { text(""); }

  std::string write(const ProfileSamples& samples, const ProfileTime& time) {
    value_type(kSampleType, "samples", "count");
    value_type(kSampleType, "cpu", "nanoseconds");
    value_type(kPeriodType, "cpu", "nanoseconds");
    const std::uint64_t period = 1'000'000'000ULL / static_cast<unsigned>(time.hertz);
    write_samples(samples, period);
    write_mappings();
    using std::chrono::nanoseconds;
    const auto begun = std::chrono::duration_cast<nanoseconds>(time.begun.time_since_epoch());
    profile_.number(kTimeNanos, static_cast<std::uint64_t>(begun.count()));
    profile_.number(kDurationNanos, static_cast<std::uint64_t>(nanoseconds(time.duration).count()));
    profile_.number(kPeriod, period);
    return finish(samples.lost());
  }

  std::string write(const std::vector<HeapSample>& samples, std::size_t lost) {
    value_type(kSampleType, "inuse_objects", "count");
    value_type(kSampleType, "inuse_space", "bytes");
    value_type(kPeriodType, "space", "bytes");
    write_samples(samples);
    write_mappings();
    profile_.number(kPeriod, kHeapSampleBytes);
    profile_.number(kDropFrames, text("operator new.*"));
    return finish(lost);
  }

 private:
  std::string finish(std::size_t lost) {
    if (lost > 0) profile_.number(kComment, text(fmt::format("{} samples did not fit", lost)));
    for (const auto& string : strings_) profile_.bytes(kStrings, string);
    return profile_.take();
  }

  std::uint64_t text(const std::string& string) {
    const auto [it, added] = string_ids_.try_emplace(string, strings_.size());
    if (added) strings_.push_back(string);
    return it->second;
  }

  void value_type(unsigned field, const char* type, const char* unit) {
    Message out;
    out.number(1, text(type));
    out.number(2, text(unit));
    profile_.message(field, out);
  }

  void write_samples(const ProfileSamples& samples, std::uint64_t period) {
    std::map<std::pair<std::uint32_t, std::vector<std::uintptr_t>>, std::uint64_t> counts;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto& one = samples[i];
      const std::span frames(one.frames.data(), one.depth);
      if (!frames.empty()) ++counts[{one.thread, {frames.begin(), frames.end()}}];
    }
    for (const auto& [stack, count] : counts) {
      Message out, label;
      for (const std::uintptr_t address : stack.second) out.number(1, location(address));
      out.number(2, count);
      out.number(2, count * period);
      label.number(1, text("thread"));
      label.number(2, text(thread_name(stack.first)));
      out.message(3, label);
      profile_.message(kSample, out);
    }
  }

  void write_samples(const std::vector<HeapSample>& samples) {
    struct InUse {
      double objects = 0, bytes = 0;
    };
    std::map<std::vector<std::uintptr_t>, InUse> sums;
    for (const auto& one : samples) {
      const std::span frames(one.frames.data(), one.depth);
      const double weight = heap_sample_weight(one.bytes);
      InUse& sum = sums[{frames.begin(), frames.end()}];
      sum.objects += weight;
      sum.bytes += weight * static_cast<double>(one.bytes);
    }
    for (const auto& [stack, sum] : sums) {
      Message out;
      for (const std::uintptr_t address : stack) out.number(1, location(address));
      out.number(2, static_cast<std::uint64_t>(std::llround(sum.objects)));
      out.number(2, static_cast<std::uint64_t>(std::llround(sum.bytes)));
      profile_.message(kSample, out);
    }
  }

  std::string thread_name(std::uint32_t thread) {
    auto& name = thread_names_[thread];
    if (name.empty()) {
      std::ifstream in(fmt::format("/proc/self/task/{}/comm", thread));
      if (!std::getline(in, name) || name.empty()) name = fmt::format("thread {}", thread);
    }
    return name;
  }

  // Mappings' ids are their places in the list, from 1.
  std::uint64_t mapping_of(std::uintptr_t address) const {
    for (std::size_t i = 0; i < mappings_.size(); ++i) {
      const auto& range = mappings_[i].range;
      if (mappings_[i].executable && address >= range.begin && address < range.end) return i + 1;
    }
    return 0;
  }

  std::uint64_t location(std::uintptr_t address) {
    const auto [it, added] = locations_.try_emplace(address, locations_.size() + 1);
    if (!added) return it->second;
    const std::uint64_t mapping = mapping_of(address);
    Message out;
    out.number(1, it->second);
    out.number(2, mapping);
    out.number(3, address);
    if (const std::string name = mapping == 0 ? "" : name_at(mappings_[mapping - 1], address);
        !name.empty()) {
      Message line;
      line.number(1, function(name, mappings_[mapping - 1].file));
      out.message(4, line);
    }
    profile_.message(kLocation, out);
    return it->second;
  }

  std::string name_at(const Mapping& mapping, std::uintptr_t address) {
    auto& table = symbols_[mapping.file];
    if (!table) table.emplace(Symbols::read(mapping.file));
    return table->name_at(address - mapping.range.begin + mapping.offset);
  }

  std::uint64_t function(const std::string& name, const std::string& file) {
    const auto [it, added] = functions_.try_emplace(name, functions_.size() + 1);
    if (!added) return it->second;
    Message out;
    out.number(1, it->second);
    out.number(2, text(name));
    out.number(3, text(name));
    out.number(4, text(file));
    profile_.message(kFunction, out);
    return it->second;
  }

  void write_mappings() {
    for (std::size_t i = 0; i < mappings_.size(); ++i) {
      const auto& one = mappings_[i];
      if (!one.executable) continue;
      Message out;
      out.number(1, i + 1);
      out.number(2, one.range.begin);
      out.number(3, one.range.end);
      out.number(4, one.offset);
      out.number(5, text(one.file));
      out.number(7, 1);  // has_functions
      profile_.message(kMapping, out);
    }
  }

  const std::vector<Mapping>& mappings_;
  Message profile_;
  std::vector<std::string> strings_;
  std::unordered_map<std::string, std::uint64_t> string_ids_, functions_;
  std::unordered_map<std::uintptr_t, std::uint64_t> locations_;
  std::unordered_map<std::uint32_t, std::string> thread_names_;
  std::unordered_map<std::string, std::optional<Symbols>> symbols_;
};

}  // namespace

std::vector<Mapping> read_mappings() {
  std::vector<Mapping> out;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream in(line);
    Mapping one;
    char dash = 0;
    std::string rights, device, inode;
    in >> std::hex >> one.range.begin >> dash >> one.range.end >> rights >> one.offset >> device >>
        inode >> std::ws;
    if (!in && rights.size() != 4) continue;
    in.clear();
    std::getline(in, one.file);
    one.writable = rights[1] == 'w';
    one.executable = rights[2] == 'x';
    if (one.writable || one.executable) out.push_back(std::move(one));
  }
  return out;
}

std::vector<MemoryRange> stack_ranges(const std::vector<Mapping>& mappings) {
  std::vector<MemoryRange> out;
  for (const auto& one : mappings) {
    if (one.writable) out.push_back(one.range);
  }
  return out;
}

std::string write_pprof(const ProfileSamples& samples, const std::vector<Mapping>& mappings,
                        const ProfileTime& time) {
  return Writer(mappings).write(samples, time);
}

std::string write_heap_pprof(const std::vector<HeapSample>& samples, std::size_t lost,
                             const std::vector<Mapping>& mappings) {
  return Writer(mappings).write(samples, lost);
}

}  // namespace culvert::telemetry
