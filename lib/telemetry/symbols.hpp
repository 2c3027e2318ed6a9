// Names of functions by their place in an ELF file (elf(5)): its symbol table, or what it exports.
// Private to lib/telemetry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace culvert::telemetry {

/// Files beyond this are not read: they have no names.
inline constexpr std::uint64_t kMaxSymbolFileBytes = 512U << 20;

class Symbols {
 public:
  /// Of a 64-bit file of this machine's byte order; empty for any other, or none.
  static Symbols read(const std::string& file);
  /// The function, as its source names it, that has the byte at this offset of the file; "" when
  /// none has.
  std::string name_at(std::uint64_t file_offset) const;
  std::size_t size() const { return functions_.size(); }

 private:
  struct Function {
    std::uint64_t address;
    std::uint64_t size;
    std::string name;  // as the linker sees it
  };
  struct Segment {
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t address;
  };
  std::vector<Function> functions_;  // in the order of their addresses
  std::vector<Segment> segments_;    // of code
};

}  // namespace culvert::telemetry
