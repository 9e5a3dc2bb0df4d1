#version 460
#extension GL_KHR_shader_subgroup_basic : require
// What the engine measures of a device when it opens it (engine/profile.c). One shader, several questions; every loop is
// bounded, and nothing waits for another workgroup.
layout(local_size_x = 1) in;

layout(push_constant) uniform Question {
    uint question;
    uint bound; // trips of the loop
    uint own;   // which of two dispatches this is
    uint round; // never 0, never the same again
};

// host -> device and device -> host, in the memory types under test
layout(std430, set = 0, binding = 0) readonly volatile buffer FromHost {
    uint flag;
};
layout(std430, set = 0, binding = 1) volatile buffer ToHost {
    uint here;     // the device runs
    uint seen;     // it saw the flag, after so many polls
    uint trips;    // trips of a loop, stored in each
    uint resident; // workgroups present at once
    uint met[2];   // the round in which a dispatch saw the other one
} to_host;
layout(std430, set = 0, binding = 2) coherent volatile buffer Local {
    uint poll; // workgroups that came while it was open, and CLOSED
    uint padding[31];
    uint present[2 * 32]; // a line each: the round of a dispatch
} local;

const uint NOTHING = 0u;
const uint LOOP = 1u;
const uint LIVE = 2u;
const uint CROWD = 3u;
const uint OVERLAP = 4u;

const uint CLOSED = 0x80000000u;

// The occupancy discovery of Sorensen, Donaldson, Batty, Gopalakrishnan and Rakamaric (Portable Inter-workgroup Barrier
// Synchronisation for GPUs, OOPSLA 2016): who comes while the poll is open is counted, and closes the poll before it
// leaves, so all that were counted are there when the first of them closes it. Count and state share a word, which
// spares their lock; the poll stays open for a bounded while, or until all are there.
void discover_occupancy()
{
    uint before = atomicAdd(local.poll, 1u);
    if ((before & CLOSED) != 0u) {
        return;
    }
    for (uint i = 0u; i < bound; ++i) {
        uint now = atomicAdd(local.poll, 0u);
        if (now >= gl_NumWorkGroups.x) { // CLOSED is above any count
            break;
        }
    }
    uint counted = atomicOr(local.poll, CLOSED);
    if ((counted & CLOSED) == 0u) {
        to_host.resident = counted;
    }
}

// Lanes that lavapipe before 24.0.2 runs beside the one that exists would keep the polling loop alive.
void main()
{
    if (gl_SubgroupInvocationID != 0u) {
        return;
    }
    if (question == LOOP) {
        for (uint i = 0u; i < bound; ++i) {
            to_host.trips = i + 1u;
        }
    } else if (question == LIVE) {
        to_host.here = 1u;
        memoryBarrierBuffer();
        for (uint i = 0u; i < bound; ++i) {
            // Sixteen looks to a back-edge: some drivers end a loop after so many of those.
            uint value = flag | flag | flag | flag;
            value |= flag | flag | flag | flag;
            value |= flag | flag | flag | flag;
            value |= flag | flag | flag | flag;
            if (value != 0u) {
                to_host.seen = i + 1u;
                break;
            }
        }
    } else if (question == CROWD) {
        discover_occupancy();
    } else if (question == OVERLAP) {
        // One of two dispatches, or (in a test of the probe itself) of two workgroups.
        uint self = own + gl_WorkGroupID.x & 1u;
        atomicExchange(local.present[self * 32u], round);
        for (uint i = 0u; i < bound; ++i) {
            if (atomicAdd(local.present[(self ^ 1u) * 32u], 0u) == round) {
                to_host.met[self] = round;
                break;
            }
        }
    }
}
