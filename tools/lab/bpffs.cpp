// The BPF file system of the labs (declared in components.hpp).
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "lab/components.hpp"

namespace culvert::lab {
namespace {

namespace fs = std::filesystem;
constexpr const char* kBpffs = "/sys/fs/bpf";
// Says that a lab, and not the machine's owner, mounted it: the last lab unmounts it again.
constexpr const char* kMountedByLab = "/run/culvert/bpffs-mounted-by-lab";

bool is_bpffs() {
  struct statfs info{};
  return ::statfs(kBpffs, &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

// Nobody pins anything. The kernel itself puts iterators there (maps.debug, progs.debug).
bool holds_no_pins() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(kBpffs, ignored))
    if (entry.path().extension() != ".debug") return false;
  return true;
}

}  // namespace

Outcome<void> mount_bpffs() {
  if (is_bpffs()) return {};
  if (::mount("bpf", kBpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
    return system_problem(std::string("mount the BPF file system at ") + kBpffs, errno,
                          "run as root on a kernel with CONFIG_BPF_SYSCALL");
  if (auto marked = write_file_atomic(kMountedByLab, "", 0600); !marked)
    return problem(marked.error().to_string());
  return {};
}

Outcome<void> remove_pins(const LabNames& names) {
  if (!is_bpffs()) return {};
  std::error_code error;
  const fs::path pins = fs::path(kBpffs) / names.pins();
  fs::remove_all(pins, error);
  if (error) return problem(fmt::format("remove pins in {}: {}", pins.string(), error.message()));
  ::rmdir((std::string(kBpffs) + "/culvert/lab").c_str());  // fail while other labs have pins
  ::rmdir((std::string(kBpffs) + "/culvert").c_str());
  const bool others = list_labs().size() > 1;
  if (!others && fs::exists(kMountedByLab, error) && holds_no_pins()) {
    ::umount2(kBpffs, MNT_DETACH);
    ::unlink(kMountedByLab);
  }
  return {};
}

}  // namespace culvert::lab
