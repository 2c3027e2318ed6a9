/* What the hooks decide, from what they know: no map, no context, no helper. Compiled for BPF and,
 * in unit tests, natively (tests/unit/bpf). A verdict is the number of its reason (abi/counters.h).
 */
#pragma once

#include "address.h"
#include "culvert/abi/maps.h"

/* What the connect hook knows of a socket in an enrolled pod. */
struct cv_connect {
  struct cv_address to;
  struct cv_address bound; /* the socket's own address; unspecified when it has none yet */
  __u16 to_port;
  __u16 bound_port; /* 0: none yet */
  __u16 saved_port; /* of the block, to which this socket was redirected before; 0: it was not */
  __u8 marked;      /* ztunnel's own */
  __u8 excluded_range;
  __u8 excluded_port;
};

static __always_inline int cv_in_block(__u16 port, __u16 block_first) {
  return port >= block_first && port < block_first + CV_BLOCK_PORTS;
}

/* The pod's address of the destination's family; null when it has none. */
static __always_inline const struct cv_address* cv_own(const struct cv_address* to,
                                                       const struct cv_pod_value* pod) {
  if (cv_is_v4(to)) return pod->flags & CV_POD_HAS_V4 ? &pod->ip4 : 0;
  return pod->flags & CV_POD_HAS_V6 ? &pod->ip6 : 0;
}

static __always_inline int cv_is_own(const struct cv_connect* c, const struct cv_address* own) {
  return (own && cv_same(&c->to, own)) ||
         (!cv_is_unspecified(&c->bound) && cv_same(&c->to, &c->bound));
}

/* Passed, redirected or refused, and why. */
static __always_inline enum cv_counter_id cv_connect_verdict(const struct cv_connect* c,
                                                             const struct cv_pod_value* pod,
                                                             __u16 block_first) {
  const struct cv_address* own = cv_own(&c->to, pod);
  if (c->marked) return CV_CONNECT_ZTUNNEL;
  /* The hook ran before for this very connect (it hangs on two cgroups): its answer stands. */
  if (c->saved_port && c->to_port == c->saved_port && cv_is_own(c, own)) return CV_CONNECT_AGAIN;
  if (cv_is_loopback(&c->to) || cv_is_unspecified(&c->to)) return CV_CONNECT_LOOPBACK;
  if (cv_is_own(c, own))
    return cv_in_block(c->to_port, block_first) ? CV_REFUSED_BLOCK_PORT : CV_CONNECT_OWN_ADDRESS;
  if (cv_is_link_local(&c->to)) return CV_CONNECT_LINK_LOCAL;
  if (c->excluded_range) return CV_CONNECT_EXCLUDED_RANGE;
  if (c->excluded_port) return CV_CONNECT_EXCLUDED_PORT;
  if (!(pod->flags & CV_POD_READY)) return CV_REFUSED_NOT_READY;
  if (!own) return CV_REFUSED_NO_FAMILY;
  /* The kernel would pick 127.0.0.6 as source, which is no address of the pod. */
  if (!cv_is_unspecified(&c->bound) && cv_is_v4(&c->bound) != cv_is_v4(&c->to))
    return CV_REFUSED_SOURCE_FAMILY;
  return CV_CONNECT_REDIRECTED;
}

/* Where a redirected connect goes: to the socket's own address, so that remote == local is what
 * sk_lookup tells captured connections by. `own` must not be null. */
static __always_inline const struct cv_address* cv_redirect_address(const struct cv_connect* c,
                                                                    const struct cv_address* own) {
  return cv_is_unspecified(&c->bound) ? own : &c->bound;
}

/* The block's ports in turn: each gives the pod another full range of source ports, for whatever
 * destinations. Never the socket's own port: it would connect to itself. */
static __always_inline __u16 cv_redirect_port(__u32 turn, __u16 bound_port, __u16 block_first) {
  __u16 port = block_first + turn % CV_BLOCK_PORTS;
  if (port == bound_port) port = block_first + (turn + 1) % CV_BLOCK_PORTS;
  return port;
}

/* The errno (negative) that connect() fails with; 0 when it goes on. */
static __always_inline int cv_connect_errno(enum cv_counter_id verdict) {
  switch (verdict) {
    case CV_REFUSED_NO_FAMILY:
    case CV_REFUSED_SOURCE_FAMILY:
      return -101; /* ENETUNREACH, as without the mesh: callers fall back to the other family */
    case CV_REFUSED_BLOCK_PORT:
    case CV_REFUSED_NOT_READY:
    case CV_REFUSED_NO_MEMORY:
      return -111; /* ECONNREFUSED */
    default:
      return 0;
  }
}

/* What sk_lookup knows of a new connection that reaches a pod. */
struct cv_arrival {
  struct cv_tuple_key tuple;
  __u8 kubelet; /* announced by the kubelet's own socket */
};

/* CV_PASSED_*, or CV_STEERED_*: which of ztunnel's listeners takes it, if there is one. */
static __always_inline enum cv_counter_id cv_arrival_verdict(const struct cv_arrival* a,
                                                             __u16 block_first) {
  const struct cv_tuple_key* t = &a->tuple;
  if (cv_same(&t->source, &t->target))
    return cv_in_block(t->target_port, block_first) ? CV_STEERED_OUTBOUND : CV_PASSED_LOCAL;
  if (cv_is_loopback(&t->source) && cv_is_loopback(&t->target)) return CV_PASSED_LOCAL;
  if (a->kubelet) return CV_PASSED_KUBELET;
  return t->target_port == CV_PORT_HBONE ? CV_STEERED_HBONE : CV_STEERED_PLAINTEXT;
}

/* Spreads connections over ztunnel's workers. */
static __always_inline __u8 cv_listener_slot(__u16 source_port) {
  return ((__u32)source_port * 2654435761U) >>
         30; /* the two top bits of Knuth's multiplicative hash */
}
_Static_assert(CV_LISTENER_SLOTS == 4, "cv_listener_slot takes two bits");
