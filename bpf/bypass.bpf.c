/* cgroup/setsockopt: closes the two ways by which a pod's sockets send past every tc program:
 * packet(7) with PACKET_QDISC_BYPASS, and AF_XDP (both leave by dev_direct_xmit() in Linux). In
 * pods with a strict guard they fail with EPERM; every other option passes. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "count.h"
#include "maps.h"

#define CV_REFUSE 0
#define CV_PROCEED 1
#define CV_SOL_PACKET 263
#define CV_SOL_XDP 283
#define CV_PACKET_QDISC_BYPASS 20
#define CV_OPTION_COPIED 4096 /* the kernel shows a program no more, and fails a larger option */

SEC("cgroup/setsockopt")
int cv_setsockopt(struct bpf_sockopt* ctx) {
  /* Zero: the caller's own buffer stands, however large. */
  if (ctx->optlen > CV_OPTION_COPIED) ctx->optlen = 0;
  int bypass = ctx->level == CV_SOL_PACKET && ctx->optname == CV_PACKET_QDISC_BYPASS;
  if (!bypass && ctx->level != CV_SOL_XDP) return CV_PROCEED;
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct cv_pod_value* pod = bpf_map_lookup_elem(&cv_pod, &cookie);
  if (!pod || !(pod->flags & CV_POD_GUARD_STRICT)) return CV_PROCEED;
  cv_count(cookie, CV_GUARD_BYPASS);
  return CV_REFUSE;
}
