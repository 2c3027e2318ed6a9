/* Values of the settings until the agent sets them, and the license that the kernel asks for. */
#include "settings.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "culvert/abi/maps.h"

const volatile __u16 cfg_block_first = CV_BLOCK_DEFAULT_FIRST;
const volatile __u8 cfg_set_retval = 1;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
