/* The guard: tc egress (tcx from 6.6, else clsact) on the interface of an enrolled pod, inside its
 * namespace. It sees what no cgroup hook can: packet and raw sockets, processes that entered the
 * namespace from elsewhere, connections older than enrollment, what the pod forwards. ztunnel's
 * sockets are known by what ztunnel left in their storage, not by cgroup: that holds for the
 * sockets of any ztunnel, the former one's and the next one's too. Fails closed: in strict mode
 * what cannot be judged is dropped.
 *
 * Loaded in two parts: cv_guard, which judges, once for the node, and cv_guard_pod, a few
 * instructions with the pod's cookie (own_cookie.h), once for each pod. The verifier takes 6 ms for
 * the first and next to nothing for the second. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "count.h"
#include "exclude.h"
#include "maps.h"
#include "own_cookie.h"

#define CV_TC_NEXT (-1) /* TCX_NEXT, TC_ACT_UNSPEC: other programs have their say */
#define CV_TC_DROP 2    /* TCX_DROP, TC_ACT_SHOT */

static __always_inline long cv_load(const void* frame, __u32 at, void* to, __u32 size) {
  return bpf_skb_load_bytes(frame, at, to, size);
}

#include "guard.h"

/* A SYN-ACK belongs to a half-open connection, whose listener speaks for it. */
static __always_inline struct bpf_sock* whole_socket(struct bpf_sock* sk) {
  struct bpf_sock* full = bpf_sk_fullsock(sk);
  return full ? full : bpf_get_listener_sock(sk);
}

static __always_inline int is_ztunnels(struct bpf_sock* sk) {
  if (bpf_sk_storage_get(&cv_mark, sk, 0, 0)) return 1;
  return bpf_sk_storage_get(&cv_listens, sk, 0, 0) != 0;
}

/* Whether the kubelet opened the connection of which this is the other direction. */
static __always_inline __u8 answers_probe(const struct cv_segment* s) {
  struct cv_tuple_key key = {.source = s->target,
                             .target = s->source,
                             .source_port = s->target_port,
                             .target_port = s->source_port};
  return cv_there(bpf_map_lookup_elem(&cv_kubelet, &key));
}

/* The cookie that cv_guard_pod left; the words are scratch again afterwards. */
static __always_inline __u64 taken_cookie(struct __sk_buff* skb) {
  __u64 cookie = (__u64)skb->cb[1] << 32 | skb->cb[0];
  skb->cb[0] = 0;
  skb->cb[1] = 0;
  return cookie;
}

static __always_inline int judge(struct __sk_buff* skb, __u64 cookie, __u8 of_socket) {
  struct cv_leaving p = {.of_socket = of_socket};
  p.kind = cv_read_frame(skb, skb->len, &p.segment);
  if (p.kind == CV_FRAME_OTHER) return CV_TC_NEXT;
  struct cv_pod_value* pod = bpf_map_lookup_elem(&cv_pod, &cookie);
  if (!pod) return CV_TC_NEXT;
  __u32 mode = pod->flags & (CV_POD_GUARD_OBSERVE | CV_POD_GUARD_STRICT);
  if (!mode) return CV_TC_NEXT;
  if (p.kind != CV_FRAME_UNREADABLE)
    p.excluded = cv_is_link_local(&p.segment.target) || cv_excluded_range(&p.segment.target);
  if (p.kind == CV_FRAME_SEGMENT) {
    p.excluded = p.excluded || cv_excluded_port(p.segment.target_port);
    p.answers_probe = answers_probe(&p.segment);
  }
  int verdict = cv_guard_verdict(&p);
  if (verdict == CV_NOT_COUNTED) return CV_TC_NEXT;
  cv_count(cookie, verdict);
  if (!(mode & CV_POD_GUARD_STRICT) || !cv_guard_drops(verdict)) return CV_TC_NEXT;
  cv_count(cookie, CV_GUARD_DROPPED);
  return CV_TC_DROP;
}

SEC("tc")
int cv_guard(struct __sk_buff* skb) {
  __u64 cookie = taken_cookie(skb);
  struct bpf_sock* sk = skb->sk;
  if (!sk) return judge(skb, cookie, 0);
  struct bpf_sock* whole = whole_socket(sk);
  if (whole && is_ztunnels(whole)) return CV_TC_NEXT;
  return judge(skb, cookie, 1);
}

/* What hangs on the interface. It comes back from the call only where there is no cv_guard: in what
 * an unloaded agent left behind, where the pod has no entry, or for want of room in the kernel's
 * chain of tail calls. */
SEC("tc")
int cv_guard_pod(struct __sk_buff* skb) {
  __u64 cookie = own_cookie();
  skb->cb[0] = (__u32)cookie;
  skb->cb[1] = (__u32)(cookie >> 32);
  bpf_tail_call(skb, &cv_guard_code, 0);
  struct cv_pod_value* pod = bpf_map_lookup_elem(&cv_pod, &cookie);
  return pod && pod->flags & CV_POD_GUARD_STRICT ? CV_TC_DROP : CV_TC_NEXT;
}
