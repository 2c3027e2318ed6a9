/* Questions about 16-byte addresses. Pure; compiled for BPF and, in unit tests, natively. */
#pragma once

#include <linux/types.h>

#include "culvert/abi/address.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Byte n of the address, whatever the machine's byte order. */
static __always_inline __u8 cv_byte(const struct cv_address* a, int n) {
  return ((const __u8*)a)[n];
}

static __always_inline int cv_same(const struct cv_address* a, const struct cv_address* b) {
  return a->word_be[0] == b->word_be[0] && a->word_be[1] == b->word_be[1] &&
         a->word_be[2] == b->word_be[2] && a->word_be[3] == b->word_be[3];
}

static __always_inline int cv_is_v4(const struct cv_address* a) {
  return a->word_be[0] == 0 && a->word_be[1] == 0 && cv_byte(a, 8) == 0 && cv_byte(a, 9) == 0 &&
         cv_byte(a, 10) == 0xff && cv_byte(a, 11) == 0xff;
}

/* 0.0.0.0 (mapped) or :: */
static __always_inline int cv_is_unspecified(const struct cv_address* a) {
  if (a->word_be[3] != 0) return 0;
  return cv_is_v4(a) || (a->word_be[0] == 0 && a->word_be[1] == 0 && a->word_be[2] == 0);
}

/* 127.0.0.0/8 (mapped) or ::1 */
static __always_inline int cv_is_loopback(const struct cv_address* a) {
  if (cv_is_v4(a)) return cv_byte(a, 12) == 127;
  return a->word_be[0] == 0 && a->word_be[1] == 0 && a->word_be[2] == 0 && cv_byte(a, 12) == 0 &&
         cv_byte(a, 13) == 0 && cv_byte(a, 14) == 0 && cv_byte(a, 15) == 1;
}

/* 169.254.0.0/16 (mapped) or fe80::/10 */
static __always_inline int cv_is_link_local(const struct cv_address* a) {
  if (cv_is_v4(a)) return cv_byte(a, 12) == 169 && cv_byte(a, 13) == 254;
  return cv_byte(a, 0) == 0xfe && (cv_byte(a, 1) & 0xc0) == 0x80;
}

/* An IPv4 address (network order) in the 16-byte form. */
static __always_inline void cv_set_v4(struct cv_address* a, __u32 ip4_be) {
  __u8* middle = (__u8*)&a->word_be[2];
  a->word_be[0] = 0;
  a->word_be[1] = 0;
  middle[0] = 0;
  middle[1] = 0;
  middle[2] = 0xff;
  middle[3] = 0xff;
  a->word_be[3] = ip4_be;
}
