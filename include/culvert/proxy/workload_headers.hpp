// What a proxy says of workloads and traces in the headers of a CONNECT. Any thread.
#pragma once

#include <optional>

#include "culvert/hbone/headers.hpp"
#include "culvert/mesh/workload.hpp"
#include "culvert/telemetry/connection_record.hpp"

namespace culvert::proxy {

/// The trace that a CONNECT carried, or a new one where it carried none.
telemetry::Trace trace_of(const std::optional<hbone::TraceParent>& carried);
/// A workload as the baggage header describes it.
hbone::Baggage baggage_of(const mesh::Workload& workload);

}  // namespace culvert::proxy
