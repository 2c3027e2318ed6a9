/* The BPF maps: names, keys, values and bounds. C, shared by BPF programs (bpf/maps.h defines the
 * maps), the agent (which writes configuration), ztunnel (listeners, marks) and the CLI (decoding).
 *
 *   cv_layout     ARRAY        one cv_layout_value: which version of this file the pins follow
 *   cv_pod        HASH         netns cookie -> cv_pod_value: who is enrolled          (agent)
 *   cv_exclude    LPM_TRIE     cv_exclude_key -> 1: destinations that stay untouched  (agent)
 *   cv_listener   SOCKHASH     cv_listener_key -> socket: ztunnel's listeners         (ztunnel)
 *   cv_mark       SK_STORAGE   cv_mark_value on ztunnel's own sockets                 (ztunnel)
 *   cv_listens    SK_STORAGE   1 on ztunnel's listeners; what they accept inherits it (ztunnel)
 *   cv_origin_sk  SK_STORAGE   cv_origin_value on the application's captured socket, and then on
 *                              ztunnel's accepted socket                              (BPF)
 *   cv_client_sk  SK_STORAGE   cv_endpoint: the real client, on the application's accepted socket
 *   cv_health     SK_STORAGE   cv_health_value on ztunnel's connections and the listeners that
 *                              they come from (ztunnel marks, BPF measures)
 *   cv_origin     HASH         cv_flow_key -> cv_origin_value, for one handshake      (BPF)
 *   cv_client     HASH         cv_flow_key -> cv_endpoint, for one handshake          (BPF)
 *   cv_kubelet    HASH         cv_tuple_key -> 1: connections that the kubelet opened (BPF)
 *   cv_guard_code PROG_ARRAY   0 -> the program that every pod's guard calls          (agent)
 *   cv_counter    PERCPU_HASH  netns cookie -> cv_counter_value                       (BPF)
 *
 * Namespaces are named by cookie (SO_NETNS_COOKIE): inode numbers are reused. */
#pragma once

#include "culvert/abi/address.h"
#include "culvert/abi/counters.h"

/* Raise with any change of a key, a value, a map's type or a program's use of them. An agent that
 * finds an older layout moves the entries (agent/datapath/migration.cpp): give a value new fields
 * at its end only, for which zero means unknown, and a map whose fields change their meaning
 * another name. Maps that hold sockets (cv_listener, the SK_STORAGE ones) cannot be moved.
 *   1  the first
 *   2  cv_pod_value has enrolled_ns and the guard's mode */
#define CV_LAYOUT_VERSION 2
/* Raise with what ztunnel uses: its maps, their keys and values. While it stays, an agent of a
 * newer layout and a ztunnel of an older work together, in either order of upgrade. */
#define CV_SOCKETS_VERSION 0
/* cv_layout_value.version; the value keeps its size in all layouts. */
#define CV_LAYOUT_WORD (CV_SOCKETS_VERSION << 16 | CV_LAYOUT_VERSION)
#define CV_LAYOUT_OF(word) ((word) & 0xffff)
#define CV_SOCKETS_OF(word) ((word) >> 16)

#define CV_MAX_PODS 1024
#define CV_MAX_HANDSHAKES 65536
#define CV_MAX_KUBELET 16384
#define CV_MAX_EXCLUDES 1024

/* The outbound block: consecutive ports in the pod, the first a multiple of their number. */
#define CV_BLOCK_PORTS 16
#define CV_BLOCK_DEFAULT_FIRST 288
#define CV_PORT_HBONE 15008

/* Stands for the pod's netns cookie in sk_lookup and the guard until the agent patches it. */
#define CV_COOKIE_HERE 0x436f6f6b69654865ULL

struct cv_layout_value {
  __u32 version;     /* CV_LAYOUT_WORD; 0: not made to the end */
  __u32 block_first; /* of the agent that wrote it */
};

/* cv_pod: key __u64 netns cookie. */
#define CV_POD_HAS_V4 1U
#define CV_POD_HAS_V6 2U
#define CV_POD_READY 4U        /* without it every outbound connection is refused */
#define CV_POD_MPTCP_WAS_ON 8U /* net.mptcp.enabled before enrollment, for its end */
/* net.ipv4.tcp_tw_reuse before enrollment, for its end: valid when it was changed to 1 */
#define CV_POD_TW_REUSE_CHANGED 16U
#define CV_POD_TW_REUSE_WAS_2 32U /* else it was 0 */
/* The guard's mode; neither: off. */
#define CV_POD_GUARD_OBSERVE 64U
#define CV_POD_GUARD_STRICT 128U
#define CV_POD_CLSACT_ADDED 256U /* enrollment made the clsact qdisc (kernels without tcx) */
struct cv_pod_value {
  struct cv_address ip4; /* mapped; valid with CV_POD_HAS_V4 */
  struct cv_address ip6; /* valid with CV_POD_HAS_V6 */
  __u32 flags;
  __u32 turn;           /* counts captured connections; spreads them over the block */
  __u32 reserved_added; /* bit n: enrollment added port block_first + n to the reserved ports */
  __u16 block_first;    /* that reserved_added speaks of */
  __u16 pad;
  __u64 enrolled_ns; /* CLOCK_BOOTTIME when it was first captured; 0: not known (layout 1) */
};

/* cv_exclude: kind and 3 zero bytes, then an address (in bits) or a port in network order. */
#define CV_EXCLUDE_ADDRESS 0
#define CV_EXCLUDE_PORT 1
#define CV_EXCLUDE_KIND_BITS 32
struct cv_exclude_key {
  __u32 prefix_bits; /* CV_EXCLUDE_KIND_BITS + bits of data */
  __u8 kind;
  __u8 pad[3];
  union {
    struct cv_address ip;
    __u16 port_be;
  } data;
};

enum cv_listener_kind { CV_OUTBOUND = 0, CV_HBONE = 1, CV_PLAINTEXT = 2, CV_LISTENER_KINDS = 3 };
#define CV_LISTENER_SLOTS 4
struct cv_listener_key {
  __u64 netns_cookie;
  __u8 kind;   /* cv_listener_kind */
  __u8 family; /* AF_INET 2 or AF_INET6 10, of the packet */
  __u8 slot;   /* 0..CV_LISTENER_SLOTS-1 */
  __u8 pad[5];
};

#define CV_MARK_HAS_CLIENT 1U
struct cv_mark_value {
  struct cv_endpoint client; /* shown to the application as its peer, with CV_MARK_HAS_CLIENT */
  __u32 flags;
};

#define CV_ORIGIN_ACCEPTED 1U /* on ztunnel's accepted socket: getpeername shows the real peer */
struct cv_origin_value {
  struct cv_endpoint origin; /* what the application asked for */
  __u16 block_port;          /* what its connect was rewritten to */
  __u16 flags;
};

/* Written by BPF only after ztunnel made it zero; read while it is written, so that a reader may
 * see a sum without its last sample. A ztunnel that finds no such map does without. */
struct cv_health_value {
  __u64 rtt_sum_us;    /* of the smoothed round-trip time, once a round trip */
  __u64 rate_sum;      /* of delivery_rate, once a round trip */
  __u64 delivery_rate; /* bytes a second, the newest measure of the kernel's (tcp_rate.c) */
  __u32 rtt_samples;
  __u32 rate_samples;
  __u32 srtt_us;
  __u32 segments; /* with data, sent, those sent again too */
  __u32 retransmits;
  __u32 pad;
};

/* A connection as its connecting side sees it. */
struct cv_tuple_key {
  struct cv_address source;
  struct cv_address target;
  __u16 source_port;
  __u16 target_port;
};
struct cv_flow_key {
  __u64 netns_cookie;
  struct cv_tuple_key tuple;
  __u32 pad;
};

/* cv_counter: key __u64 netns cookie. */
struct cv_counter_value {
  __u64 count[CV_COUNTERS];
};
