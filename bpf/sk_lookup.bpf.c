/* sk_lookup, one link in each enrolled pod's network namespace: gives every new TCP connection
 * there to ztunnel's listener, or refuses it. Fails closed: where no listener can be found or
 * assigned the answer is SK_DROP, and the caller sees ECONNREFUSED. */
#include <bpf/bpf_endian.h>

#include "count.h"
#include "maps.h"
#include "own_cookie.h"
#include "settings.h"
#include "verdict.h"

#define CV_AF_INET 2
#define CV_IPPROTO_TCP 6

/* As in sockops.bpf.c: each field once, through volatile locals. */
static __always_inline void read_arrival(struct bpf_sk_lookup* ctx, int v4,
                                         struct cv_tuple_key* tuple) {
  volatile __u32 local4 = ctx->local_ip4, remote4 = ctx->remote_ip4;
  volatile __u32 local6[4] = {ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
                              ctx->local_ip6[3]};
  volatile __u32 remote6[4] = {ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
                               ctx->remote_ip6[3]};
  if (v4) {
    cv_set_v4(&tuple->source, remote4);
    cv_set_v4(&tuple->target, local4);
  } else {
    for (int i = 0; i < 4; i++) {
      tuple->source.word_be[i] = remote6[i];
      tuple->target.word_be[i] = local6[i];
    }
  }
  tuple->source_port = bpf_ntohs(ctx->remote_port);
  tuple->target_port = ctx->local_port;
}

/* Hands the connection to the listener of its kind; the reason that is then true. */
static __always_inline enum cv_counter_id steer(struct bpf_sk_lookup* ctx, __u64 cookie,
                                                enum cv_counter_id verdict, __u16 source_port) {
  struct cv_listener_key key = {.netns_cookie = cookie,
                                .kind = verdict == CV_STEERED_OUTBOUND ? CV_OUTBOUND
                                        : verdict == CV_STEERED_HBONE  ? CV_HBONE
                                                                       : CV_PLAINTEXT,
                                .family = ctx->family,
                                .slot = cv_listener_slot(source_port)};
  struct bpf_sock* listener = bpf_map_lookup_elem(&cv_listener, &key);
  if (!listener) return CV_DROPPED_NO_LISTENER;
  long error = bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(listener);
  return error ? CV_DROPPED_ASSIGN : verdict;
}

SEC("sk_lookup")
int cv_sk_lookup(struct bpf_sk_lookup* ctx) {
  if (ctx->protocol != CV_IPPROTO_TCP) return SK_PASS;
  struct cv_arrival arrival = {};
  read_arrival(ctx, ctx->family == CV_AF_INET, &arrival.tuple);
  arrival.kubelet = cv_there(bpf_map_lookup_elem(&cv_kubelet, &arrival.tuple));
  enum cv_counter_id verdict = cv_arrival_verdict(&arrival, cfg_block_first);
  __u64 cookie = own_cookie();
  int passed = verdict == CV_PASSED_LOCAL || verdict == CV_PASSED_KUBELET;
  if (!passed) verdict = steer(ctx, cookie, verdict, arrival.tuple.source_port);
  cv_count(cookie, verdict);
  return verdict == CV_DROPPED_NO_LISTENER || verdict == CV_DROPPED_ASSIGN ? SK_DROP : SK_PASS;
}
