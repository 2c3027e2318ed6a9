/* The numbered reasons: what a hook decided for a connection, counted by pod. C, shared by BPF
 * programs and user space. Add at the end only; a pod's row has room for CV_COUNTERS. */
#pragma once

#define CV_COUNTERS 32

/* X(name, hook, text): CV_<name> is the number, "hook: text" is what people read. */
#define CV_COUNTER_TABLE(X)                                                                 \
  X(CONNECT_REDIRECTED, "connect", "redirected to ztunnel")                                 \
  X(CONNECT_AGAIN, "connect", "already redirected, left alone")                             \
  X(CONNECT_ZTUNNEL, "connect", "passed: ztunnel's own socket")                             \
  X(CONNECT_LOOPBACK, "connect", "passed: loopback or unspecified address")                 \
  X(CONNECT_LINK_LOCAL, "connect", "passed: link-local address")                            \
  X(CONNECT_OWN_ADDRESS, "connect", "passed: the pod's own address")                        \
  X(CONNECT_EXCLUDED_RANGE, "connect", "passed: excluded range")                            \
  X(CONNECT_EXCLUDED_PORT, "connect", "passed: excluded port")                              \
  X(REFUSED_NO_FAMILY, "connect", "refused: the pod has no address of the family")          \
  X(REFUSED_SOURCE_FAMILY, "connect", "refused: bound to an address of the other family")   \
  X(REFUSED_BLOCK_PORT, "connect", "refused: a port of the outbound block")                 \
  X(REFUSED_NOT_READY, "connect", "refused: the pod's entry is incomplete")                 \
  X(REFUSED_NO_MEMORY, "connect", "refused: no memory to save the destination")             \
  X(ORIGIN_FULL, "sockops", "handshake table full, ztunnel will refuse")                    \
  X(CLIENT_FULL, "sockops", "handshake table full, the application sees ztunnel's address") \
  X(STEERED_OUTBOUND, "sk_lookup", "steered to the outbound listener")                      \
  X(STEERED_HBONE, "sk_lookup", "steered to the HBONE listener")                            \
  X(STEERED_PLAINTEXT, "sk_lookup", "steered to the plaintext listener")                    \
  X(PASSED_LOCAL, "sk_lookup", "passed: from the pod itself")                               \
  X(PASSED_KUBELET, "sk_lookup", "passed: opened by the kubelet")                           \
  X(DROPPED_NO_LISTENER, "sk_lookup", "refused: ztunnel has no listener here")              \
  X(DROPPED_ASSIGN, "sk_lookup", "refused: the listener could not be chosen")               \
  X(PEER_ORIGIN, "getpeername", "answered with the original destination")                   \
  X(PEER_CLIENT, "getpeername", "answered with the real client")                            \
  X(GUARD_SYN, "guard", "a segment that opens a connection past ztunnel")                   \
  X(GUARD_DATA, "guard", "a segment with data past ztunnel")                                \
  X(GUARD_FRAGMENT, "guard", "a later fragment of TCP, whose ports cannot be known")        \
  X(GUARD_UNREADABLE, "guard", "a packet whose headers cannot be followed")                 \
  X(GUARD_EXEMPT, "guard", "passed: excluded, link-local, or an answer to the kubelet")     \
  X(GUARD_DROPPED, "guard", "dropped: the pod's guard is strict")                           \
  X(GUARD_BYPASS, "guard", "refused: a socket option that goes around the guard")

enum cv_counter_id {
#define CV_COUNTER_ENUM(name, hook, text) CV_##name,
  CV_COUNTER_TABLE(CV_COUNTER_ENUM)
#undef CV_COUNTER_ENUM
      CV_COUNTER_IDS
};
#ifdef __cplusplus
static_assert(static_cast<int>(CV_COUNTER_IDS) <= CV_COUNTERS,
              "raise CV_COUNTERS and CV_LAYOUT_VERSION");
#else
_Static_assert(CV_COUNTER_IDS <= CV_COUNTERS, "raise CV_COUNTERS and CV_LAYOUT_VERSION");
#endif
