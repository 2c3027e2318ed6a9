/* Counting decisions by pod. */
#pragma once

#include "maps.h"

/* Adds one to the pod's counter on this CPU. A namespace without a row is not counted. */
static __always_inline void cv_count(__u64 netns_cookie, enum cv_counter_id id) {
  struct cv_counter_value* row = bpf_map_lookup_elem(&cv_counter, &netns_cookie);
  if (row && (__u32)id < CV_COUNTERS) row->count[id]++;
}
