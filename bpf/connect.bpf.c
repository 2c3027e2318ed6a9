/* cgroup/connect4 and connect6: redirects an enrolled pod's TCP connect() to ztunnel's listener in
 * the same pod, once a connection, and keeps the original destination with the socket. Runs in the
 * caller's context, before a source port is chosen. UDP (DNS) passes here for now. */
#include <bpf/bpf_endian.h>

#include "count.h"
#include "exclude.h"
#include "maps.h"
#include "settings.h"
#include "verdict.h"

#define CV_REFUSE 0
#define CV_PROCEED 1
#define CV_IPPROTO_TCP 6

/* What the socket is bound to. On an IPv6 socket only the IPv6 field tells. */
static __always_inline void read_socket(struct bpf_sock* sk, int v6, struct cv_connect* c) {
  volatile __u32 ip4 = sk->src_ip4;
  volatile __u32 ip6[4] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};
  if (v6) {
    c->bound.word_be[0] = ip6[0];
    c->bound.word_be[1] = ip6[1];
    c->bound.word_be[2] = ip6[2];
    c->bound.word_be[3] = ip6[3];
  } else {
    cv_set_v4(&c->bound, ip4);
  }
  c->bound_port = sk->src_port;
}

/* Decides, and for a redirected socket saves the destination; `to` then holds the new one. */
static __always_inline enum cv_counter_id decide(struct bpf_sock* sk, struct cv_connect* c,
                                                 struct cv_pod_value* pod, struct cv_endpoint* to) {
  struct cv_origin_value* saved = bpf_sk_storage_get(&cv_origin_sk, sk, 0, 0);
  if (saved) c->saved_port = saved->block_port;
  c->marked = cv_there(bpf_sk_storage_get(&cv_mark, sk, 0, 0));
  c->excluded_range = cv_excluded_range(&c->to);
  c->excluded_port = cv_excluded_port(c->to_port);

  enum cv_counter_id verdict = cv_connect_verdict(c, pod, cfg_block_first);
  if (verdict != CV_CONNECT_REDIRECTED) return verdict;
  const struct cv_address* own = cv_own(&c->to, pod);
  if (!own) return CV_REFUSED_NO_FAMILY;
  saved = bpf_sk_storage_get(&cv_origin_sk, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!saved) return CV_REFUSED_NO_MEMORY;
  __u32 turn = __sync_fetch_and_add(&pod->turn, 1);
  to->ip = *cv_redirect_address(c, own);
  to->port = cv_redirect_port(turn, c->bound_port, cfg_block_first);
  saved->origin.ip = c->to;
  saved->origin.port = c->to_port;
  saved->block_port = to->port;
  saved->flags = 0;
  return verdict;
}

/* One path for both families: the errno of the verdict, 0 to go on. `to` is zero unless redirected.
 */
static __always_inline int on_connect(struct bpf_sock_addr* ctx, struct cv_connect* c, int v6,
                                      struct cv_endpoint* to) {
  struct bpf_sock* sk = ctx->sk;
  if (!sk || ctx->protocol != CV_IPPROTO_TCP) return 0;
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct cv_pod_value* pod = bpf_map_lookup_elem(&cv_pod, &cookie);
  if (!pod) {
    bpf_sk_storage_delete(&cv_origin_sk, sk);
    return 0;
  }
  read_socket(sk, v6, c);
  enum cv_counter_id verdict = decide(sk, c, pod, to);
  /* A socket that connects elsewhere now must not answer with the destination of before. */
  if (verdict != CV_CONNECT_REDIRECTED && verdict != CV_CONNECT_AGAIN)
    bpf_sk_storage_delete(&cv_origin_sk, sk);
  cv_count(cookie, verdict);
  return cv_connect_errno(verdict);
}

/* The hook's answer. Without bpf_set_retval the caller sees EPERM. */
static __always_inline int answer(int error) {
  if (!error) return CV_PROCEED;
  if (cfg_set_retval) bpf_set_retval(error);
  return CV_REFUSE;
}

SEC("cgroup/connect4")
int cv_connect4(struct bpf_sock_addr* ctx) {
  struct cv_connect c = {.to_port = bpf_ntohs(ctx->user_port)};
  struct cv_endpoint to = {};
  cv_set_v4(&c.to, ctx->user_ip4);
  int error = on_connect(ctx, &c, 0, &to);
  if (!error && to.port) {
    ctx->user_ip4 = to.ip.word_be[3];
    ctx->user_port = bpf_htons(to.port);
  }
  return answer(error);
}

SEC("cgroup/connect6")
int cv_connect6(struct bpf_sock_addr* ctx) {
  struct cv_connect c = {.to_port = bpf_ntohs(ctx->user_port)};
  struct cv_endpoint to = {};
  c.to.word_be[0] = ctx->user_ip6[0];
  c.to.word_be[1] = ctx->user_ip6[1];
  c.to.word_be[2] = ctx->user_ip6[2];
  c.to.word_be[3] = ctx->user_ip6[3];
  int error = on_connect(ctx, &c, 1, &to);
  if (!error && to.port) {
    ctx->user_ip6[0] = to.ip.word_be[0];
    ctx->user_ip6[1] = to.ip.word_be[1];
    ctx->user_ip6[2] = to.ip.word_be[2];
    ctx->user_ip6[3] = to.ip.word_be[3];
    ctx->user_port = bpf_htons(to.port);
  }
  return answer(error);
}
