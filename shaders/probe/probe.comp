#version 460
#extension GL_KHR_shader_subgroup_basic : require
// What the engine measures of a device when it opens it (engine/profile.c). One shader, several questions; every loop is
// bounded, and nothing waits for another workgroup.
layout(local_size_x = 1) in;

layout(push_constant) uniform Question {
    uint question;
    uint bound; // trips of the loop
};

// host -> device and device -> host, in the memory types under test
layout(std430, set = 0, binding = 0) readonly volatile buffer FromHost {
    uint flag;
};
layout(std430, set = 0, binding = 1) volatile buffer ToHost {
    uint here;   // the device runs
    uint seen;   // it saw the flag, after so many polls
    uint trips;  // trips of a loop, stored in each
    uint peak;   // workgroups present at once
} to_host;
layout(std430, set = 0, binding = 2) coherent volatile buffer Local {
    uint present;
    uint most;
} local;

const uint NOTHING = 0u;
const uint LOOP = 1u;
const uint LIVE = 2u;
const uint CROWD = 3u;

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
        uint now = atomicAdd(local.present, 1u) + 1u;
        for (uint i = 0u; i < bound; ++i) {
            now = max(now, atomicAdd(local.present, 0u));
        }
        atomicMax(local.most, now);
        memoryBarrierBuffer();
        atomicAdd(local.present, 0xffffffffu);
        to_host.peak = local.most;
    }
}
