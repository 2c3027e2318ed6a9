/* The agent's settings, constant once the programs are loaded: the verifier drops what they turn
 * off. Defined in settings.bpf.c. */
#pragma once

#include <linux/types.h>

extern const volatile __u16 cfg_block_first; /* first port of the outbound block */
extern const volatile __u8 cfg_set_retval;   /* the kernel has bpf_set_retval (5.18) */
