// What the process asks of the kernel for itself as it starts. Before any other thread exists.
#pragma once

#include <cstddef>

#include "culvert/base/error.hpp"
#include "culvert/base/fd.hpp"

namespace culvert::proxy {

/// SIGTERM and SIGINT as a descriptor (signalfd(2)); blocked, so that all threads inherit it.
Result<UniqueFd> termination_signals();

/// The death of a terminal, or of whoever reads the log, is no reason to end connections.
void ignore_hangups();

/// Every connection takes descriptors: use all that the hard limit allows.
void raise_descriptor_limit();
/// How many descriptors this process may have.
std::size_t descriptor_limit();

}  // namespace culvert::proxy
