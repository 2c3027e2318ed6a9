/* cgroup/getpeername4 and getpeername6 (accept() asks them too): an application sees the peer that
 * it asked for, or the client that really called, instead of ztunnel. Reads only socket storage, so
 * a socket without any keeps its answer; nothing here can refuse. */
#include <bpf/bpf_endian.h>

#include "count.h"
#include "maps.h"

#define CV_IPPROTO_TCP 6

/* The address to show instead; null to leave the kernel's. */
static __always_inline const struct cv_endpoint* peer_of(struct bpf_sock_addr* ctx) {
  struct bpf_sock* sk = ctx->sk;
  if (!sk || ctx->protocol != CV_IPPROTO_TCP) return 0;
  struct cv_origin_value* origin = bpf_sk_storage_get(&cv_origin_sk, sk, 0, 0);
  if (origin && !(origin->flags & CV_ORIGIN_ACCEPTED)) {
    cv_count(bpf_get_netns_cookie(ctx), CV_PEER_ORIGIN);
    return &origin->origin;
  }
  struct cv_endpoint* client = bpf_sk_storage_get(&cv_client_sk, sk, 0, 0);
  if (client) cv_count(bpf_get_netns_cookie(ctx), CV_PEER_CLIENT);
  return client;
}

SEC("cgroup/getpeername4")
int cv_getpeername4(struct bpf_sock_addr* ctx) {
  const struct cv_endpoint* peer = peer_of(ctx);
  if (peer) {
    ctx->user_ip4 = peer->ip.word_be[3];
    ctx->user_port = bpf_htons(peer->port);
  }
  return 1;
}

SEC("cgroup/getpeername6")
int cv_getpeername6(struct bpf_sock_addr* ctx) {
  const struct cv_endpoint* peer = peer_of(ctx);
  if (peer) {
    ctx->user_ip6[0] = peer->ip.word_be[0];
    ctx->user_ip6[1] = peer->ip.word_be[1];
    ctx->user_ip6[2] = peer->ip.word_be[2];
    ctx->user_ip6[3] = peer->ip.word_be[3];
    ctx->user_port = bpf_htons(peer->port);
  }
  return 1;
}
