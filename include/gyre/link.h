/* Links: a kernel's messages to other kernels, on the device. */
#ifndef GYRE_LINK_H
#define GYRE_LINK_H

#include <gyre/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GYRE_PORTS_MAX 64u

/* Which of the kernels that are linked to a port gets a message. */
typedef enum gyre_spread {
    GYRE_SPREAD_EACH = 0,    /* every one */
    GYRE_SPREAD_BY_KEY,      /* one, by a hash of the message's key */
    GYRE_SPREAD_ROUND_ROBIN, /* one after the other */
} gyre_spread;

typedef struct gyre_link_params {
    gyre_spread spread; /* the same for all links of a port */

    /* Messages that a ring holds, of which there is one for each workgroup of `from` and of `to`; a
     * power of two, rounded up; 0: 256, or as many as fit 1 MiB. */
    uint32_t slots;

    /* A message that finds the ring full is lost and counted (gyre_link_stats.lost), instead of
     * holding `from` back. */
    bool lossy;

    uint32_t flags;    /* must be 0 */
    uint32_t reserved; /* must be 0 */
} gyre_link_params;

/* Links a port of `from` to `to`: what its handler sends there (gyre_send() sends to port 0,
 * gyre_send_to(port) to any) becomes a message for `to`, with the priority, id and correlation of
 * the message that it came from and its key unless gyre_set_key() says otherwise; its type is 0.
 * GYRE_OUTPUT of `from` and GYRE_INPUT of `to` must have the same size. Of the workgroups of `to`
 * the one gets it that its key belongs to (gyre_kernel_params.shards), or else each in turn.
 *
 * Nothing crosses to the host on the way. A kernel takes a message only when there is room in every
 * link that its handler may send to, for GYRE_MAX_SENDS messages: a slow kernel holds back those
 * before it, up to the first sender. What comes along one ring is processed in its order. Rings
 * take turns; between the one whose turn it is and what the host sends, the higher band of 64
 * priorities goes first, equals take turns. A message that
 * came along more than max_hops links fails with GYRE_ERROR_HOPS where it would be sent on.
 *
 * Links may form cycles, of kernels that have one workgroup and GYRE_MAX_SENDS 1, each part of one
 * cycle only: others can fill up for good and are refused with GYRE_ERROR_CYCLE. A ring in a cycle
 * keeps a slot free for what goes around; a lossy link is not part of one.
 *
 * Both kernels must be LAUNCHED or DEACTIVATED, and so must all that a new cycle goes through.
 * Linked kernels run on the runtime's first carrier. Linking builds pipelines.
 * `params` may be NULL. Results: OK; STATE; INVALID (different runtimes, another spread than the
 * port has); ALREADY_EXISTS; INTERFACE (the sizes differ); CYCLE; LIMIT (the runtime's link_memory
 * is used up); NO_MEMORY; DEVICE_LOST; TIMEOUT (after launch_timeout_ns of `from`). Blocks.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_link(gyre_kernel *from, uint32_t port, gyre_kernel *to,
                               const gyre_link_params *params);

/* Undoes gyre_link(). What lies in the link is dropped; `dropped` (may be NULL) gets how many. Both
 * kernels must be LAUNCHED, DEACTIVATED or TERMINATED. A kernel that terminates drops what lies in
 * the links to it (with GYRE_DRAIN it takes that first, and what others still send); what others
 * send to a port whose kernels have all terminated fails with NO_ROUTE, until the port is linked
 * anew or unlinked. Results: OK, STATE, NOT_FOUND, and as gyre_link() for the pipelines. Blocks.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_unlink(gyre_kernel *from, uint32_t port, gyre_kernel *to,
                                 uint64_t *dropped);

typedef struct gyre_link_stats {
    uint64_t sent;    /* messages that went into the link */
    uint64_t taken;   /* of these, acknowledged by `to` */
    uint64_t waiting; /* in it now */
    uint64_t lost;    /* found it full (lossy) */
    uint32_t rings;   /* workgroups of `from` times those of `to` */
    uint32_t slots;   /* that each ring has */
} gyre_link_stats;

/* Counted when a submission of either kernel ends. Results: OK, NOT_FOUND, INVALID. Does not block.
 * Thread-safety: safe. */
GYRE_API gyre_result gyre_link_get_stats(gyre_kernel *from, uint32_t port, gyre_kernel *to,
                                         gyre_link_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
