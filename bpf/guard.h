/* What the guard decides of a packet that leaves a pod and is not ztunnel's. Pure, as verdict.h. */
#pragma once

#include "culvert/abi/counters.h"
#include "segment.h"

struct cv_leaving {
  enum cv_frame_kind kind;
  struct cv_segment segment;
  __u8 of_socket;     /* a socket sent it; else the kernel did by itself, or forwards it */
  __u8 excluded;      /* its destination, by address or port */
  __u8 answers_probe; /* to a connection that the kubelet announced */
};

#define CV_NOT_COUNTED (-1)

/* The reason of the guard's decision, or CV_NOT_COUNTED for what passes without a word: no TCP, and
 * segments with neither SYN nor payload. Those include RST, the ACKs of TIME_WAIT and of SYN
 * cookies, and SYN-ACKs sent under a SYN flood, all of which the kernel sends without ztunnel's
 * socket; dropping them would turn refusals into silence. */
static __always_inline int cv_guard_verdict(const struct cv_leaving* p) {
  const struct cv_segment* s = &p->segment;
  switch (p->kind) {
    case CV_FRAME_OTHER:
      return CV_NOT_COUNTED;
    case CV_FRAME_UNREADABLE:
      return CV_GUARD_UNREADABLE;
    case CV_FRAME_FRAGMENT:
      return p->excluded ? CV_GUARD_EXEMPT : CV_GUARD_FRAGMENT;
    default:
      break;
  }
  if (!s->syn && !s->payload) return CV_NOT_COUNTED;
  if (s->syn && s->ack && !s->payload && !p->of_socket) return CV_NOT_COUNTED;
  if (p->excluded) return CV_GUARD_EXEMPT;
  if (p->answers_probe && !(s->syn && !s->ack)) return CV_GUARD_EXEMPT;
  return s->syn ? CV_GUARD_SYN : CV_GUARD_DATA;
}

/* Whether a strict guard drops a packet for this reason. */
static __always_inline int cv_guard_drops(int verdict) {
  return verdict != CV_NOT_COUNTED && verdict != CV_GUARD_EXEMPT;
}
