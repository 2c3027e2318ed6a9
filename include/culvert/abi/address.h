/* Addresses and ports as every BPF map holds them. C, shared by BPF programs and user space. */
#pragma once

#include <linux/types.h>

/* 16 bytes in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). The same bytes as
 * culvert::IpAddress. Words, because BPF compares and hashes by word. */
struct cv_address {
  __u32 word_be[4];
};

/* Ports in maps are in host order. */
struct cv_endpoint {
  struct cv_address ip;
  __u16 port;
  __u16 pad; /* zero */
};
