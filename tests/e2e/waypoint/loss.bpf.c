/* Loses packets by chance, for tests: tc egress (clsact, direct action) of a lab's node. The share
 * is set when it is compiled; the qdisc counts what it dropped. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#ifndef LOST_PER_MILLE
#error "say -DLOST_PER_MILLE=N"
#endif
#define IN_SECTION(name) __attribute__((section(name), used))

static __u32 (*const random_u32)(void) = (void*)BPF_FUNC_get_prandom_u32;

IN_SECTION("tc")
int lose(struct __sk_buff* packet) {
  (void)packet;
  return random_u32() % 1000 < LOST_PER_MILLE ? TC_ACT_SHOT : TC_ACT_OK;
}

char of_what_license[] IN_SECTION("license") = "GPL";
