// Shell: ztunnel's own sandbox. First privileges, before any thread exists; then, once every
// thread, ring and listener is there, the filter of system calls.
#pragma once

#include <span>

#include "culvert/base/error.hpp"
#include "culvert/sandbox/system_calls.hpp"

namespace culvert::ztunnel {

/// Keeps CAP_SYS_ADMIN alone: setns(2) into the pods' network namespaces needs it.
Result<void> give_up_privileges();

/// For good, on all threads, those to come included.
Result<void> give_up_system_calls();

/// What ztunnel alone needs (system_calls.cpp).
std::span<const sandbox::Rule> own_system_calls();

}  // namespace culvert::ztunnel
