// The yardstick beside Gyre's roundtrip-1 on an NVIDIA card: a CUDA kernel of one thread that stays on the
// device, takes a message of 64 bytes from pinned host memory and answers with another. One slot each way, no
// ring, no delivery guarantee, no bound on its stay: what the hardware gives to code that does only this.
//
//     nvcc -O3 -o cuda_pingpong docs/benchmarks/cuda_pingpong.cu && ./cuda_pingpong
//
// Prints p50, p99 and p99.9 in nanoseconds over 15 rounds of 20,000 messages, the content of each answer checked.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

struct Slot {
    uint32_t sequence; // written last
    uint32_t unused[15];
    uint32_t data[16]; // the message: 64 bytes
};

constexpr uint32_t end_of_all = 0xffffffffu;

__device__ uint32_t load_acquire(const uint32_t *address)
{
    uint32_t value;
    asm volatile("ld.acquire.sys.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
}

__device__ void store_release(uint32_t *address, uint32_t value)
{
    asm volatile("st.release.sys.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
}

__global__ void serve(const Slot *request, Slot *reply)
{
    for (uint32_t next = 1;; ++next) {
        uint32_t seen;
        do {
            seen = load_acquire(&request->sequence);
        } while (seen != next && seen != end_of_all);
        if (seen == end_of_all) {
            return;
        }
        const uint4 *in = reinterpret_cast<const uint4 *>(request->data);
        uint4 *out = reinterpret_cast<uint4 *>(reply->data);
        for (int i = 0; i < 4; ++i) {
            uint4 v = in[i];
            out[i] = make_uint4(v.x + 1, v.y + 1, v.z + 1, v.w + 1);
        }
        store_release(&reply->sequence, next);
    }
}

static void must(cudaError_t error)
{
    if (error != cudaSuccess) {
        std::fprintf(stderr, "cuda_pingpong: %s\n", cudaGetErrorString(error));
        std::exit(1);
    }
}

int main()
{
    constexpr int rounds = 15;
    constexpr uint32_t messages = 20000;
    Slot *slots;
    must(cudaHostAlloc(&slots, 2 * sizeof(Slot), cudaHostAllocMapped));
    Slot *device;
    must(cudaHostGetDevicePointer(&device, slots, 0));
    Slot *request = &slots[0];
    Slot *reply = &slots[1];
    *request = Slot{};
    *reply = Slot{};
    serve<<<1, 1>>>(&device[0], &device[1]);
    must(cudaGetLastError());

    uint32_t next = 0;
    std::vector<double> p50, p99, p999;
    for (int round = 0; round < rounds; ++round) {
        std::vector<double> took;
        for (uint32_t i = 0; i < messages; ++i) {
            ++next;
            auto from = std::chrono::steady_clock::now();
            for (uint32_t w = 0; w < 16; ++w) {
                request->data[w] = next * 31 + w;
            }
            __atomic_store_n(&request->sequence, next, __ATOMIC_RELEASE);
            while (__atomic_load_n(&reply->sequence, __ATOMIC_ACQUIRE) != next) {
            }
            auto to = std::chrono::steady_clock::now();
            for (uint32_t w = 0; w < 16; ++w) {
                if (reply->data[w] != next * 31 + w + 1) {
                    std::fprintf(stderr, "cuda_pingpong: a wrong answer\n");
                    return 1;
                }
            }
            took.push_back(std::chrono::duration<double, std::nano>(to - from).count());
        }
        std::sort(took.begin(), took.end());
        p50.push_back(took[messages / 2]);
        p99.push_back(took[messages * 99 / 100]);
        p999.push_back(took[messages * 999 / 1000]);
    }
    __atomic_store_n(&request->sequence, end_of_all, __ATOMIC_RELEASE);
    must(cudaDeviceSynchronize());
    for (auto *values : {&p50, &p99, &p999}) {
        std::sort(values->begin(), values->end());
    }
    std::printf("p50 %.0f ns (%.0f to %.0f), p99 %.0f ns, p99.9 %.0f ns\n", p50[rounds / 2], p50[rounds / 4],
                p50[rounds * 3 / 4], p99[rounds / 2], p999[rounds / 2]);
}
