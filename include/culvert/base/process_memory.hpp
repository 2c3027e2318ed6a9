// What a daemon gives back of its own memory.
#pragma once

#include <cstddef>

namespace culvert {

/// Drops the pages of code and constants that were read from files, of this process alone: what is
/// still used comes back from the page cache at its next use (a minor fault), what only start-up
/// needed does not. Pages that were written, by relocation for one, stay. Returns the bytes of the
/// mappings that were dropped. Any thread; madvise(2) with MADV_DONTNEED, proc_pid_smaps(5).
std::size_t drop_startup_pages();

}  // namespace culvert
