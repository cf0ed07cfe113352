// Drives the accelerator that Verilator compiled: every beat of pixels as early as it is taken, every logit at once.
//
// Usage: native BEATS BEAT_BYTES IMAGE_BEATS LIMIT RESULTS DUE LOAD [TRACE WAVES FIRST LAST]
//   BEATS        file with the beats of all images, BEAT_BYTES bytes each, the first pixel first
//   IMAGE_BEATS  beats of an image
//   LIMIT        cycles within which the next result beat must leave
//   RESULTS      file to write: per result beat its cycle (8 bytes) and its payload (16 bytes), then the cycle
//                in which the last pixels of the first image were taken and the counters (8 bytes each),
//                little-endian. Cycle 0 is the first one without reset.
//   DUE          result beats to wait for
//   LOAD         file with a load image to send first, which may be empty; for a program compiled with RELOADABLE
//   TRACE        file to write: per write to the hidden memory its cycle (8 bytes) and the port `written` (32 bytes)
//   WAVES        VCD file to write, of the cycles FIRST..LAST
// The last four only in a program compiled with TRACED. counters.h, made by sim/native.py, lists the counters.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vaccelerator.h"
#include "verilated.h"
#ifdef TRACED
#include "verilated_vcd_c.h"
#endif

// Verilator writes two underscores in a name as one and the code of the other.
#define PORT(group, member) group##___05F##member

namespace {

std::vector<uint8_t> contents(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    std::vector<uint8_t> bytes;
    if (!file) return bytes;
    std::fseek(file, 0, SEEK_END);
    bytes.resize(std::ftell(file));
    std::rewind(file);
    if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) bytes.clear();
    std::fclose(file);
    return bytes;
}

void edge(Vaccelerator& top) {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
}

}  // namespace

int main(int argc, char** argv) {
#ifdef TRACED
    if (argc != 12) return 2;
    std::FILE* trace = std::fopen(argv[8], "wb");
    const uint64_t first = std::strtoull(argv[10], nullptr, 10), last = std::strtoull(argv[11], nullptr, 10);
    if (!trace) return 2;
#else
    if (argc != 8) return 2;
#endif
    const std::vector<uint8_t> beats = contents(argv[1]);
    const size_t beat_bytes = std::strtoull(argv[2], nullptr, 10);
    const size_t image_beats = std::strtoull(argv[3], nullptr, 10);
    const uint64_t limit = std::strtoull(argv[4], nullptr, 10);
    std::FILE* results = std::fopen(argv[5], "wb");
    uint64_t due = std::strtoull(argv[6], nullptr, 10);
    if (!results || beats.empty()) return 2;

    VerilatedContext context;
    Vaccelerator top(&context);
#ifdef TRACED
    context.traceEverOn(true);
    VerilatedVcdC waves;
    top.trace(&waves, 99);
#endif
    top.PORT(i_pixels, valid) = 0;
    top.PORT(o_result, ready) = 0;
    top.rst = 1;
    for (int i = 0; i < 3; ++i) edge(top);
    top.rst = 0;
    top.PORT(o_result, ready) = 1;

    const size_t count = beats.size() / beat_bytes;
    size_t sent = 0;
    uint64_t quiet = 0, loaded_cycle = 0, cycle = 0;
#ifdef RELOADABLE
    const std::vector<uint8_t> load = contents(argv[7]);
    for (size_t index = 0; index < load.size(); ++cycle) {
        top.PORT(i_load, payload) = load[index] | (index + 1 == load.size()) << 8;
        top.PORT(i_load, valid) = 1;
        top.eval();
        index += top.PORT(i_load, ready);
        edge(top);
    }
    top.PORT(i_load, valid) = 0;
#endif
    for (; due; ++cycle) {
        top.PORT(i_pixels, valid) = sent < count;
        if (sent < count) {
            std::memset(&top.PORT(i_pixels, payload), 0, sizeof top.PORT(i_pixels, payload));
            std::memcpy(&top.PORT(i_pixels, payload), &beats[sent * beat_bytes], beat_bytes);
        }
        top.eval();
#ifdef TRACED
        uint8_t payload[32] = {};
        std::memcpy(payload, &top.written, sizeof top.written);
        if (payload[0] & 1) {
            std::fwrite(&cycle, sizeof cycle, 1, trace);
            std::fwrite(payload, sizeof payload, 1, trace);
        }
        if (cycle == first && first <= last) waves.open(argv[9]);
        if (cycle >= first && cycle <= last) {
            waves.dump(10 * cycle);
        }
#endif
        const bool taken = top.PORT(i_pixels, valid) && top.PORT(i_pixels, ready);
        if (top.PORT(o_result, valid)) {
            uint8_t payload[16] = {};
            std::memcpy(payload, &top.PORT(o_result, payload), sizeof top.PORT(o_result, payload));
            std::fwrite(&cycle, sizeof cycle, 1, results);
            std::fwrite(payload, sizeof payload, 1, results);
            --due;
            quiet = 0;
        } else if (++quiet > limit) {
            std::fprintf(stderr, "cycle %llu: no result for %llu cycles\n", static_cast<unsigned long long>(cycle),
                         static_cast<unsigned long long>(limit));
            return 1;
        }
        top.clk = 1;
        top.eval();
#ifdef TRACED
        if (cycle >= first && cycle <= last) waves.dump(10 * cycle + 5);
#endif
        top.clk = 0;
        top.eval();
        sent += taken;
        if (taken && sent == image_beats) loaded_cycle = cycle;
    }
#ifdef TRACED
    waves.close();
    std::fclose(trace);
#endif
    std::fwrite(&loaded_cycle, sizeof loaded_cycle, 1, results);
    edge(top);  // the counters tell of the last result
#define COUNTER(name)                                  \
    {                                                  \
        const uint64_t value = top.PORT(counters, name);   \
        std::fwrite(&value, sizeof value, 1, results); \
    }
#include "counters.h"
    return std::fclose(results) ? 2 : 0;
}
