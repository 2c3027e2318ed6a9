/* sockops: carries addresses across the handshake inside a pod. At the connecting side's SYN what
 * its socket's storage holds goes into a hash keyed by the connection; when the accepting side is
 * established it moves into the accepted socket's storage. Outbound that is the original
 * destination (application -> ztunnel), inbound the real client (ztunnel -> application).
 * cv_kubelet hangs on the kubelet's cgroup alone and announces its connections to sk_lookup. */
#include <bpf/bpf_endian.h>

#include "count.h"
#include "health.h"
#include "maps.h"
#include "verdict.h"

#define CV_AF_INET 2
#define CV_DONE 1
#define CV_SOL_TCP 6
#define CV_TCP_CONGESTION 13

/* The connection's addresses, named from the connecting side. Each context field is read once into
 * a volatile local: clang would merge the branches into a computed context offset, which the
 * verifier refuses. On an IPv6 socket the IPv4 fields hold no address. */
static __always_inline void read_tuple(struct bpf_sock_ops* ctx, int accepted,
                                       struct cv_tuple_key* tuple) {
  volatile __u32 family = ctx->family;
  volatile __u32 local4 = ctx->local_ip4, remote4 = ctx->remote_ip4;
  volatile __u32 local6[4] = {ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
                              ctx->local_ip6[3]};
  volatile __u32 remote6[4] = {ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
                               ctx->remote_ip6[3]};
  struct cv_address local, remote;
  if (family == CV_AF_INET) {
    cv_set_v4(&local, local4);
    cv_set_v4(&remote, remote4);
  } else {
    for (int i = 0; i < 4; i++) {
      local.word_be[i] = local6[i];
      remote.word_be[i] = remote6[i];
    }
  }
  __u16 local_port = ctx->local_port;
  __u16 remote_port = bpf_ntohl(ctx->remote_port);
  tuple->source = accepted ? remote : local;
  tuple->target = accepted ? local : remote;
  tuple->source_port = accepted ? remote_port : local_port;
  tuple->target_port = accepted ? local_port : remote_port;
}

/* Asks for state callbacks beside what other programs asked for. */
static __always_inline void watch_state(struct bpf_sock_ops* ctx) {
  bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Both ends of the hop between an application and ztunnel. It never leaves the pod's loopback,
 * where nothing is lost: a congestion control that paces (BBR, where the host chose it) only delays
 * it. Reno is in every kernel and paces nothing. Before the first byte: what BBR has begun stays.
 */
static __always_inline void do_not_pace(struct bpf_sock_ops* ctx) {
  char reno[] = "reno";
  bpf_setsockopt(ctx, CV_SOL_TCP, CV_TCP_CONGESTION, reno, sizeof reno);
}

/* The application's or ztunnel's SYN is about to leave. */
static __always_inline void on_connecting(struct bpf_sock_ops* ctx, struct bpf_sock* sk) {
  struct cv_origin_value* origin = bpf_sk_storage_get(&cv_origin_sk, sk, 0, 0);
  struct cv_mark_value* mark = bpf_sk_storage_get(&cv_mark, sk, 0, 0);
  int has_client = mark && mark->flags & CV_MARK_HAS_CLIENT;
  if (!origin && !has_client) return;
  struct cv_flow_key key = {.netns_cookie = bpf_get_netns_cookie(ctx)};
  read_tuple(ctx, 0, &key.tuple);
  watch_state(ctx);
  do_not_pace(ctx);
  if (origin && bpf_map_update_elem(&cv_origin, &key, origin, BPF_ANY))
    cv_count(key.netns_cookie, CV_ORIGIN_FULL);
  if (has_client && bpf_map_update_elem(&cv_client, &key, &mark->client, BPF_ANY))
    cv_count(key.netns_cookie, CV_CLIENT_FULL);
}

/* A connection inside the pod was accepted: the entry moves in with the socket. */
static __always_inline void on_accepted(struct bpf_sock_ops* ctx, struct bpf_sock* sk) {
  struct cv_flow_key key = {.netns_cookie = bpf_get_netns_cookie(ctx)};
  if (!bpf_map_lookup_elem(&cv_pod, &key.netns_cookie)) return;
  read_tuple(ctx, 1, &key.tuple);
  struct cv_origin_value* origin = bpf_map_lookup_elem(&cv_origin, &key);
  if (origin) {
    struct cv_origin_value* kept =
        bpf_sk_storage_get(&cv_origin_sk, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (kept) {
      *kept = *origin;
      kept->flags |= CV_ORIGIN_ACCEPTED;
    }
    bpf_map_delete_elem(&cv_origin, &key);
  }
  struct cv_endpoint* client = bpf_map_lookup_elem(&cv_client, &key);
  if (origin || client) do_not_pace(ctx);
  if (client) {
    bpf_sk_storage_get(&cv_client_sk, sk, client, BPF_SK_STORAGE_GET_F_CREATE);
    bpf_map_delete_elem(&cv_client, &key);
  }
}

/* The connecting side is gone: nothing may stay of a handshake that failed. */
static __always_inline void on_closed(struct bpf_sock_ops* ctx) {
  struct cv_flow_key key = {.netns_cookie = bpf_get_netns_cookie(ctx)};
  read_tuple(ctx, 0, &key.tuple);
  bpf_map_delete_elem(&cv_origin, &key);
  bpf_map_delete_elem(&cv_client, &key);
}

SEC("sockops")
int cv_sockops(struct bpf_sock_ops* ctx) {
  struct bpf_sock* sk = ctx->sk;
  if (!sk) return CV_DONE;
  switch (ctx->op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
      on_connecting(ctx, sk);
      break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
      watch_health(ctx, sk);
      break;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
      on_accepted(ctx, sk);
      watch_health(ctx, sk);
      break;
    case BPF_SOCK_OPS_RTT_CB:
      on_round_trip(ctx, sk);
      break;
    case BPF_SOCK_OPS_RETRANS_CB:
      on_retransmit(ctx, sk);
      break;
    case BPF_SOCK_OPS_STATE_CB:
      if (ctx->args[1] == BPF_TCP_CLOSE) on_closed(ctx);
      break;
  }
  return CV_DONE;
}

SEC("sockops")
int cv_kubelet_ops(struct bpf_sock_ops* ctx) {
  struct cv_tuple_key key = {};
  __u32 one = 1;
  switch (ctx->op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
      read_tuple(ctx, 0, &key);
      watch_state(ctx);
      bpf_map_update_elem(&cv_kubelet, &key, &one, BPF_ANY);
      break;
    case BPF_SOCK_OPS_STATE_CB:
      if (ctx->args[1] != BPF_TCP_CLOSE) break;
      read_tuple(ctx, 0, &key);
      bpf_map_delete_elem(&cv_kubelet, &key);
      break;
  }
  return CV_DONE;
}
