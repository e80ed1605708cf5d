// CUDA on a host's processor: enough of it to run this package's kernels from their own source.
//
// A thread is a fiber, the threads of a block take turns, and blocks come one after another. What a device would answer
// with a hang or with nonsense stops the launch with a message: a barrier that some thread of the block, or of the warp,
// does not come to. Nothing is known here of memory order, of how many blocks a device holds, or of speed.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
// Hidden: the static memory of functions that are alike must not be one in all libraries.
#define __device__ __attribute__((visibility("hidden")))
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
#define __constant__ static
#define __launch_bounds__(...)

using std::exp, std::log, std::log1p, std::expm1, std::sqrt, std::tanh, std::fabs, std::fmax, std::fmin, std::pow;
using std::isfinite, std::isinf, std::isnan, std::max, std::min;

struct dim3 {
    unsigned x, y, z;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr int kWarp = 32;
constexpr size_t kStack = 1 << 16;

struct Fiber {
    ucontext_t context;   // where it begins
    jmp_buf left;         // where it goes on: a switch of contexts would ask the system each time
    std::vector<char> stack;
    bool begun = false, done = true;
    int waits = 0;        // for which barrier of the block
    int warp_waits = 0;   // for which barrier of its warp
};

static std::vector<Fiber> fibers;
static std::vector<int> arrived_in_warp, warp_rounds;
static std::vector<uint64_t> exchanged;
static jmp_buf scheduler;
static int current, arrived, rounds;
static const char* trouble;
static const std::function<void()>* body;
static dim3 position(int index) {
    return {index % blockDim.x, index / blockDim.x % blockDim.y, index / (blockDim.x * blockDim.y)};
}

static void pause() {
    if (!_setjmp(fibers[current].left)) _longjmp(scheduler, 1);
}

static void enter() {
    (*body)();
    fibers[current].done = true;
    _longjmp(scheduler, 1);
}

// Let a thread go on until it waits or is done. What the caller has in registers is what it was.
__attribute__((noinline)) static void resume(int index) {
    current = index;
    threadIdx = position(index);
    if (_setjmp(scheduler)) return;
    if (fibers[index].begun) _longjmp(fibers[index].left, 1);
    fibers[index].begun = true;
    setcontext(&fibers[index].context);
}

static void block_barrier() {
    int round = rounds;
    if (++arrived == (int)fibers.size()) {
        arrived = 0;
        ++rounds;
        return;
    }
    while (rounds == round && !trouble) pause();
}

static void warp_barrier(unsigned mask) {
    if (mask != 0xffffffffu) trouble = "a warp's barrier is for all of its threads";
    int warp = current / kWarp, round = warp_rounds[warp];
    if (++arrived_in_warp[warp] == kWarp) {
        arrived_in_warp[warp] = 0;
        ++warp_rounds[warp];
        return;
    }
    while (warp_rounds[warp] == round && !trouble) pause();
}

template <class T>
static T exchange(unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves up to eight bytes");
    int warp = current / kWarp;
    std::memcpy(&exchanged[current], &value, sizeof(T));
    warp_barrier(mask);
    T found = value;
    if (source >= 0 && source < kWarp) std::memcpy(&found, &exchanged[warp * kWarp + source], sizeof(T));
    warp_barrier(mask);
    return found;
}

// Run every block; the threads of one begin in their order, or from the last one.
static const char* run(const unsigned* grid, const unsigned* block, bool backwards, const std::function<void()>& kernel) {
    blockDim = {block[0], block[1], block[2]};
    gridDim = {grid[0], grid[1], grid[2]};
    int threads = blockDim.x * blockDim.y * blockDim.z;
    if (threads < 1 || threads > 1024) return "a block has 1 to 1024 threads";
    if (!grid[0] || !grid[1] || !grid[2] || grid[1] > 65535 || grid[2] > 65535) return "a grid of that size cannot be launched";
    body = &kernel;
    trouble = nullptr;
    fibers.resize(threads);
    exchanged.assign(threads + kWarp, 0);
    arrived_in_warp.assign(threads / kWarp + 1, 0);
    warp_rounds.assign(threads / kWarp + 1, 0);
    for (unsigned z = 0; z < gridDim.z; ++z)
        for (unsigned y = 0; y < gridDim.y; ++y)
            for (unsigned step = 0; step < gridDim.x; ++step) {
                blockIdx = {backwards ? gridDim.x - 1 - step : step, y, z};
                arrived = rounds = 0;
                for (auto& fiber : fibers) {
                    fiber.stack.resize(kStack);
                    getcontext(&fiber.context);
                    fiber.context.uc_stack.ss_sp = fiber.stack.data();
                    fiber.context.uc_stack.ss_size = kStack;
                    fiber.context.uc_link = nullptr;  // it leaves by a jump
                    makecontext(&fiber.context, enter, 0);
                    fiber.begun = fiber.done = false;
                }
                int left = threads;
                while (left) {
                    left = 0;
                    int before = rounds, moved = 0;
                    std::vector<int> warps_before = warp_rounds;
                    for (int turn = 0; turn < threads; ++turn) {
                        int index = backwards ? threads - 1 - turn : turn;
                        if (fibers[index].done) continue;
                        resume(index);
                        moved += fibers[index].done;
                        left += !fibers[index].done;
                    }
                    if (trouble) return trouble;
                    if (left && !moved && before == rounds && warps_before == warp_rounds)
                        return "some threads wait at a barrier that others never come to";
                }
            }
    return nullptr;
}

// The kernels that have no barrier: threads are plain calls.
static const char* run_plainly(const unsigned* grid, const unsigned* block, bool backwards, const std::function<void()>& kernel) {
    blockDim = {block[0], block[1], block[2]};
    gridDim = {grid[0], grid[1], grid[2]};
    unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    if (threads < 1 || threads > 1024) return "a block has 1 to 1024 threads";
    if (!grid[0] || !grid[1] || !grid[2] || grid[1] > 65535 || grid[2] > 65535) return "a grid of that size cannot be launched";
    for (unsigned z = 0; z < gridDim.z; ++z)
        for (unsigned y = 0; y < gridDim.y; ++y)
            for (unsigned step = 0; step < gridDim.x; ++step) {
                blockIdx = {backwards ? gridDim.x - 1 - step : step, y, z};
                for (unsigned turn = 0; turn < threads; ++turn) {
                    threadIdx = position(backwards ? threads - 1 - turn : turn);
                    kernel();
                }
            }
    return nullptr;
}

template <class T>
static std::string described() {
    using Plain = std::remove_cv_t<std::remove_pointer_t<T>>;
    std::string kind = std::is_same_v<Plain, bool>             ? "b"
                       : std::is_floating_point_v<Plain>       ? "f"
                       : std::is_unsigned_v<Plain>             ? "u"
                       : std::is_integral_v<Plain>             ? "i"
                                                               : "V";
    return kind + std::to_string(sizeof(std::conditional_t<std::is_void_v<Plain>, char, Plain>)) + (std::is_pointer_v<T> ? "* " : " ");
}

template <class... A>
static std::string signature(void (*)(A...)) {
    return (described<A>() + ... + std::string());
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** given, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A>*>(given[I])...);
}

template <class... A>
static void call(void (*kernel)(A...), void** given) {
    call(kernel, given, std::index_sequence_for<A...>());
}

}  // namespace emulator

static inline void __syncthreads() { emulator::block_barrier(); }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { emulator::warp_barrier(mask); }
template <class T>
static T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    return emulator::exchange(mask, value, emulator::current % emulator::kWarp ^ lanes);
}
template <class T>
static T __shfl_down_sync(unsigned mask, T value, unsigned lanes) {
    return emulator::exchange(mask, value, emulator::current % emulator::kWarp + (int)lanes);
}
template <class T>
static T __shfl_sync(unsigned mask, T value, int lane) {
    return emulator::exchange(mask, value, lane % emulator::kWarp);
}
template <class T>
static T atomicAdd(T* place, T value) {
    T before = *place;
    *place = before + value;
    return before;
}
static inline unsigned __float_as_uint(float value) {
    unsigned found;
    std::memcpy(&found, &value, 4);
    return found;
}
static inline float __uint_as_float(unsigned value) {
    float found;
    std::memcpy(&found, &value, 4);
    return found;
}
static inline long long __double_as_longlong(double value) {
    long long found;
    std::memcpy(&found, &value, 8);
    return found;
}
static inline double __longlong_as_double(long long value) {
    double found;
    std::memcpy(&found, &value, 8);
    return found;
}
