/* The BPF maps; include/culvert/abi/maps.h says what each holds and who writes it. Every program
 * file includes this one; the definitions are weak so that linking the objects makes one of each.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "culvert/abi/maps.h"

/* "Is it there", as a number: without the barrier clang would do arithmetic on several looked-up
 * pointers to combine such answers, which the verifier refuses. */
static __always_inline __u8 cv_there(const void* looked_up) {
  __u32 there = looked_up ? 1 : 0;
  asm volatile("" : "+r"(there));
  return there;
}

/* Written once by the agent; user space refuses to work with pins of another layout. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct cv_layout_value);
} cv_layout __weak SEC(".maps");

/* Who is enrolled. The hooks ask it first: no entry, no mesh. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, CV_MAX_PODS);
  __type(key, __u64);
  __type(value, struct cv_pod_value);
} cv_pod __weak SEC(".maps");

/* Destinations that enrolled pods reach without the mesh. */
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, CV_MAX_EXCLUDES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cv_exclude_key);
  __type(value, __u32);
} cv_exclude __weak SEC(".maps");

/* ztunnel's listeners. The kernel empties a slot when its socket is closed, so a dead ztunnel
 * leaves nothing here, and sk_lookup refuses. */
struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, CV_MAX_PODS* CV_LISTENER_KINDS* CV_LISTENER_SLOTS * 2);
  __type(key, struct cv_listener_key);
  __type(value, __u64);
} cv_listener __weak SEC(".maps");

/* ztunnel's own sockets, which capture leaves alone. Only who can open the pin can mark a socket.
 */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct cv_mark_value);
} cv_mark __weak SEC(".maps");

/* ztunnel's listeners, and, by inheritance, every socket that they accept: the guard knows what is
 * ztunnel's by this and by cv_mark, whatever process or cgroup holds the socket by then. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, int);
  __type(value, __u32);
} cv_listens __weak SEC(".maps");

/* The original destination, with the socket that it belongs to. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct cv_origin_value);
} cv_origin_sk __weak SEC(".maps");

/* The real client, with the application's accepted socket. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct cv_endpoint);
} cv_client_sk __weak SEC(".maps");

/* How the kernel sees ztunnel's connections; a listener's is inherited by what it accepts. */
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, int);
  __type(value, struct cv_health_value);
} cv_health __weak SEC(".maps");

/* From connect to accept, for one handshake each. Plain hashes: an LRU would let one pod evict what
 * another is about to need, a full plain one refuses. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, CV_MAX_HANDSHAKES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cv_flow_key);
  __type(value, struct cv_origin_value);
} cv_origin __weak SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, CV_MAX_HANDSHAKES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cv_flow_key);
  __type(value, struct cv_endpoint);
} cv_client __weak SEC(".maps");

/* Open connections of the kubelet, which its probes may make without the mesh. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, CV_MAX_KUBELET);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cv_tuple_key);
  __type(value, __u32);
} cv_kubelet __weak SEC(".maps");

/* The program that judges what leaves a pod, at index 0: every pod's guard calls it. */
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} cv_guard_code __weak SEC(".maps");

/* What the hooks decided, a row a pod. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, CV_MAX_PODS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct cv_counter_value);
} cv_counter __weak SEC(".maps");
