// Arrays one after another, counted through as if they were one.

// A table goes to a kernel by value, with room for some entries; where there are more, all of them lie in memory.
template <class T, int room>
struct Table {
    typedef T Entry;
    long long count;
    const T* more;
    T of[room];
};

// By value: a reference to either place would have every thread copy the table.
template <class Entries>
__device__ __forceinline__ typename Entries::Entry entry(const Entries& table, int place) {
    if (table.more) return table.more[place];
    return table.of[place];
}

// Which entry an element lies in: the last one that does not start after it.
template <class Entries>
__device__ __forceinline__ int find(const Entries& table, long long index) {
    int low = 0, high = static_cast<int>(table.count) - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (entry(table, middle).start <= index) low = middle;
        else high = middle - 1;
    }
    return low;
}

// Where an entry ends: where the next one starts.
template <class Entries>
__device__ __forceinline__ long long end_of(const Entries& table, int place, long long total) {
    return place + 1 < table.count ? entry(table, place + 1).start : total;
}

// Call a function for some of a table's elements, each with its entry: those of a block's part, a thread's lie so far
// apart as a block has threads. Parts are the same, whatever entries they are in.
template <class Entries, class Function>
__device__ __forceinline__ void for_part(
    const Entries& table, long long total, long long part, int elements, Function function
) {
    long long index = part * elements + threadIdx.x, after = (part + 1) * elements;
    if (after > total) after = total;
    if (index >= after) return;
    int place = find(table, index);
    while (true) {
        typename Entries::Entry own = entry(table, place);
        long long end = end_of(table, place, total), stop = end < after ? end : after;
#pragma unroll 4
        for (; index < stop; index += blockDim.x) function(own, index - own.start);
        if (index >= after) return;
        while (index >= end_of(table, place, total)) ++place;
    }
}
