/* What an Ethernet frame says of the TCP segment that it carries. Pure but for cv_load, which the
 * includer defines: copies `size` bytes at offset `at` of the frame, 0 when they are there. Only
 * the frame's own bytes count: what a raw socket claims beside them (skb->protocol) is its
 * sender's to choose, and the receiver does not believe it either. */
#pragma once

#include <linux/types.h>

#include "address.h"

#define CV_ETHERNET_BYTES 14
#define CV_VLAN_BYTES 4
#define CV_MAX_VLAN_TAGS 2     /* 802.1ad: one in another */
#define CV_MAX_IP6_HEADERS 8   /* extension headers that are followed */
#define CV_TCP_HEADER_BYTES 20 /* without options */
#define CV_TCP_SYN 2
#define CV_TCP_ACK 16

enum cv_frame_kind {
  CV_FRAME_OTHER,     /* carries no TCP */
  CV_FRAME_SEGMENT,   /* a whole TCP header, and addresses */
  CV_FRAME_FRAGMENT,  /* TCP, or perhaps TCP, without its header: addresses only */
  CV_FRAME_UNREADABLE /* headers that do not hold together, or too many */
};
struct cv_segment {
  struct cv_address source;
  struct cv_address target;
  __u16 source_port;
  __u16 target_port;
  __u8 syn;
  __u8 ack;
  __u8 payload; /* something follows the header */
  __u8 pad;
};

/* IANA protocol numbers; the first six extend IPv6's header (RFC 8200 section 4, RFC 6275, 7401,
 * 5533). */
enum cv_protocol {
  CV_IP_HOP_BY_HOP = 0,
  CV_IP_ROUTING = 43,
  CV_IP_DESTINATION = 60,
  CV_IP_MOBILITY = 135,
  CV_IP_HIP = 139,
  CV_IP_SHIM6 = 140,
  CV_IP_TCP = 6,
  CV_IP_UDP = 17,
  CV_IP_FRAGMENT = 44,
  CV_IP_AUTHENTICATION = 51,
  CV_IP_ICMP6 = 58
};

static __always_inline __u16 cv_word(const __u8* bytes) {
  return (__u16)(bytes[0] << 8 | bytes[1]);
}

static __always_inline enum cv_frame_kind cv_read_tcp(const void* frame, __u32 at, __u32 length,
                                                      struct cv_segment* s) {
  __u8 tcp[CV_TCP_HEADER_BYTES];
  if (cv_load(frame, at, tcp, sizeof tcp)) return CV_FRAME_UNREADABLE;
  __u32 header = (tcp[12] >> 4) * 4U;
  if (header < CV_TCP_HEADER_BYTES || at + header > length) return CV_FRAME_UNREADABLE;
  s->source_port = cv_word(tcp);
  s->target_port = cv_word(tcp + 2);
  s->syn = (tcp[13] & CV_TCP_SYN) != 0;
  s->ack = (tcp[13] & CV_TCP_ACK) != 0;
  s->payload = length > at + header;
  return CV_FRAME_SEGMENT;
}

static __always_inline enum cv_frame_kind cv_read_ip4(const void* frame, __u32 at, __u32 length,
                                                      struct cv_segment* s) {
  __u8 ip[20];
  if (cv_load(frame, at, ip, sizeof ip)) return CV_FRAME_UNREADABLE;
  __u32 header = (ip[0] & 15) * 4U;
  if (ip[0] >> 4 != 4 || header < sizeof ip) return CV_FRAME_UNREADABLE;
  if (ip[9] != CV_IP_TCP) return CV_FRAME_OTHER;
  __u32 source, target;
  __builtin_memcpy(&source, ip + 12, sizeof source);
  __builtin_memcpy(&target, ip + 16, sizeof target);
  cv_set_v4(&s->source, source);
  cv_set_v4(&s->target, target);
  if (cv_word(ip + 6) & 0x1fff) return CV_FRAME_FRAGMENT;
  return cv_read_tcp(frame, at + header, length, s);
}

static __always_inline enum cv_frame_kind cv_read_ip6(const void* frame, __u32 at, __u32 length,
                                                      struct cv_segment* s) {
  __u8 ip[40];
  if (cv_load(frame, at, ip, sizeof ip)) return CV_FRAME_UNREADABLE;
  if (ip[0] >> 4 != 6) return CV_FRAME_UNREADABLE;
  __builtin_memcpy(&s->source, ip + 8, sizeof s->source);
  __builtin_memcpy(&s->target, ip + 24, sizeof s->target);
  __u8 next = ip[6];
  at += sizeof ip;
  for (int i = 0; i < CV_MAX_IP6_HEADERS; i++) {
    if (next == CV_IP_TCP) return cv_read_tcp(frame, at, length, s);
    __u8 header[4];
    switch (next) {
      case CV_IP_HOP_BY_HOP:
      case CV_IP_ROUTING:
      case CV_IP_DESTINATION:
      case CV_IP_MOBILITY:
      case CV_IP_HIP:
      case CV_IP_SHIM6:
        if (cv_load(frame, at, header, sizeof header)) return CV_FRAME_UNREADABLE;
        at += header[1] * 8U + 8;
        break;
      case CV_IP_AUTHENTICATION:
        if (cv_load(frame, at, header, sizeof header)) return CV_FRAME_UNREADABLE;
        at += header[1] * 4U + 8;
        break;
      case CV_IP_FRAGMENT:
        if (cv_load(frame, at, header, sizeof header)) return CV_FRAME_UNREADABLE;
        /* A later one tells only what the first one begins with, which may be a header that TCP
         * follows. */
        if (cv_word(header + 2) & 0xfff8)
          return header[0] == CV_IP_UDP || header[0] == CV_IP_ICMP6 ? CV_FRAME_OTHER
                                                                    : CV_FRAME_FRAGMENT;
        at += 8;
        break;
      default:
        return CV_FRAME_OTHER;
    }
    next = header[0];
  }
  return next == CV_IP_TCP ? cv_read_tcp(frame, at, length, s) : CV_FRAME_UNREADABLE;
}

/* `length`: bytes of the frame. Fills what its kind knows. */
static __always_inline enum cv_frame_kind cv_read_frame(const void* frame, __u32 length,
                                                        struct cv_segment* s) {
  __u8 type[2];
  __u32 at = CV_ETHERNET_BYTES;
  for (int tags = 0; tags <= CV_MAX_VLAN_TAGS; tags++) {
    if (cv_load(frame, at - sizeof type, type, sizeof type)) return CV_FRAME_UNREADABLE;
    switch (cv_word(type)) {
      case 0x0800:
        return cv_read_ip4(frame, at, length, s);
      case 0x86dd:
        return cv_read_ip6(frame, at, length, s);
      case 0x8100: /* 802.1Q */
      case 0x88a8: /* 802.1ad */
        at += CV_VLAN_BYTES;
        break;
      default:
        return CV_FRAME_OTHER;
    }
  }
  return CV_FRAME_UNREADABLE;
}
