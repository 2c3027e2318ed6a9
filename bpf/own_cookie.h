/* The cookie of the namespace that this copy of a program serves. Some hooks cannot ask for it
 * (sk_lookup; tc before 6.13), so the agent loads such a program once for each pod with the cookie
 * written in place of CV_COOKIE_HERE. The verifier sees every copy, so copies are short. */
#pragma once

#include "culvert/abi/maps.h"

static __always_inline __u64 own_cookie(void) {
  __u64 cookie;
  asm volatile("%0 = %1 ll" : "=r"(cookie) : "i"(CV_COOKIE_HERE));
  return cookie;
}
