/* Constants of linux/bpf.h that Debian 12's headers (6.1) do not know yet, each with the kernel
 * that brought it. Using one needs a probe and a fallback, never a version check. */
#pragma once

#define CV_BPF_F_BEFORE (1U << 3)   /* 6.6 for tcx, 6.17 for cgroups: first in the order */
#define CV_BPF_F_PREORDER (1U << 6) /* 6.15: before the programs of child cgroups */
#define CV_BPF_TCX_EGRESS 47        /* 6.6: attach type */
#define CV_BPF_LINK_TYPE_TCX 11     /* 6.6: of a link; its info is {ifindex, attach_type} */
