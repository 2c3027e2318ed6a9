/* TCP health of ztunnel's own connections: round-trip time, retransmits and delivery rate, measured
 * by the kernel and kept with the socket. Only sockets that ztunnel gave cv_health (those it dials
 * and those that its listeners accept, which inherit it) are asked for callbacks: one a round trip
 * and one a retransmit. Included by sockops.bpf.c. */
#pragma once

#include "maps.h"

#define CV_USEC 1000000ULL

/* Context fields are read once, into volatile locals (bpf/README.md). */
static __always_inline void measure_health(struct bpf_sock_ops* ctx, struct cv_health_value* h) {
  volatile __u32 srtt_us8 = ctx->srtt_us;
  volatile __u32 retransmits = ctx->total_retrans;
  volatile __u32 segments = ctx->data_segs_out;
  volatile __u32 delivered = ctx->rate_delivered;
  volatile __u32 interval_us = ctx->rate_interval_us;
  volatile __u32 mss = ctx->mss_cache;
  __u32 srtt_us = srtt_us8 >> 3;
  __u64 interval = interval_us;
  h->retransmits = retransmits;
  h->segments = segments;
  if (!srtt_us) return;
  h->srtt_us = srtt_us;
  h->rtt_sum_us += srtt_us;
  h->rtt_samples++;
  if (!interval) return;
  h->delivery_rate = (__u64)delivered * mss * CV_USEC / interval;
  h->rate_sum += h->delivery_rate;
  h->rate_samples++;
}

/* The connection is established: its handshake was the first round trip. */
static __always_inline void watch_health(struct bpf_sock_ops* ctx, struct bpf_sock* sk) {
  struct cv_health_value* h = bpf_sk_storage_get(&cv_health, sk, 0, 0);
  if (!h) return;
  bpf_sock_ops_cb_flags_set(
      ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG);
  measure_health(ctx, h);
}

static __always_inline void on_round_trip(struct bpf_sock_ops* ctx, struct bpf_sock* sk) {
  struct cv_health_value* h = bpf_sk_storage_get(&cv_health, sk, 0, 0);
  if (h) measure_health(ctx, h);
}

/* The kernel has counted it already (tcp_output.c, __tcp_retransmit_skb). */
static __always_inline void on_retransmit(struct bpf_sock_ops* ctx, struct bpf_sock* sk) {
  struct cv_health_value* h = bpf_sk_storage_get(&cv_health, sk, 0, 0);
  if (!h) return;
  volatile __u32 retransmits = ctx->total_retrans;
  h->retransmits = retransmits;
}
