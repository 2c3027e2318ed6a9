#include "symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "culvert/base/fd.hpp"

namespace culvert::telemetry {
namespace {

/// A file in memory, read only; empty when it cannot be had.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size == 0 || size > kMaxSymbolFileBytes) return;
    void* begin = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (begin != MAP_FAILED) bytes_ = {static_cast<const char*>(begin), size};
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }

  /// `count` values at an offset; none when they do not lie in the file.
  template <class T>
  std::vector<T> at(std::uint64_t offset, std::uint64_t count) const {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T)) return {};
    std::vector<T> out(count);
    std::memcpy(out.data(), bytes_.data() + offset, count * sizeof(T));
    return out;
  }
  /// The text at an offset, up to its zero byte.
  std::string_view text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return "";
    const auto rest = bytes_.substr(offset);
    return rest.substr(0, rest.find('\0'));
  }

 private:
  std::string_view bytes_;
};

// The symbol table when there is one, else what the file exports.
const Elf64_Shdr* symbol_section(std::span<const Elf64_Shdr> sections) {
  for (const auto wanted : {SHT_SYMTAB, SHT_DYNSYM}) {
    for (const auto& section : sections) {
      if (section.sh_type == static_cast<Elf64_Word>(wanted)) return &section;
    }
  }
  return nullptr;
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

}  // namespace

Symbols Symbols::read(const std::string& file) {
  Symbols out;
  const MappedFile mapped(file);
  const auto header = mapped.at<Elf64_Ehdr>(0, 1);
  if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0 ||
      header[0].e_ident[EI_CLASS] != ELFCLASS64) {
    return out;
  }
  for (const auto& one : mapped.at<Elf64_Phdr>(header[0].e_phoff, header[0].e_phnum)) {
    if (one.p_type == PT_LOAD && (one.p_flags & PF_X) != 0) {
      out.segments_.push_back({one.p_offset, one.p_filesz, one.p_vaddr});
    }
  }
  const auto sections = mapped.at<Elf64_Shdr>(header[0].e_shoff, header[0].e_shnum);
  const Elf64_Shdr* table = symbol_section(sections);
  if (table == nullptr || table->sh_link >= sections.size()) return out;
  const std::uint64_t names = sections[table->sh_link].sh_offset;
  for (const auto& one :
       mapped.at<Elf64_Sym>(table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
    if (ELF64_ST_TYPE(one.st_info) != STT_FUNC || one.st_value == 0) continue;
    out.functions_.push_back(
        {one.st_value, one.st_size, std::string(mapped.text(names + one.st_name))});
  }
  std::ranges::sort(out.functions_, {}, &Function::address);
  return out;
}

std::string Symbols::name_at(std::uint64_t file_offset) const {
  for (const auto& segment : segments_) {
    if (file_offset < segment.offset || file_offset - segment.offset >= segment.size) continue;
    const std::uint64_t address = file_offset - segment.offset + segment.address;
    auto after = std::ranges::upper_bound(functions_, address, {}, &Function::address);
    if (after == functions_.begin()) return "";
    const Function& function = *--after;
    if (address - function.address >= std::max<std::uint64_t>(function.size, 1)) return "";
    return demangled(function.name);
  }
  return "";
}

}  // namespace culvert::telemetry
