/* Whether a destination is excluded from the mesh: what connect leaves alone, the guard lets out.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

static __always_inline __u8 cv_excluded_range(const struct cv_address* to) {
  struct cv_exclude_key key = {.kind = CV_EXCLUDE_ADDRESS,
                               .prefix_bits = CV_EXCLUDE_KIND_BITS + 128};
  key.data.ip = *to;
  return cv_there(bpf_map_lookup_elem(&cv_exclude, &key));
}

static __always_inline __u8 cv_excluded_port(__u16 port) {
  struct cv_exclude_key key = {.kind = CV_EXCLUDE_PORT, .prefix_bits = CV_EXCLUDE_KIND_BITS + 16};
  key.data.port_be = bpf_htons(port);
  return cv_there(bpf_map_lookup_elem(&cv_exclude, &key));
}
