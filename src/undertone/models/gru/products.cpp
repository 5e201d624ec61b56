// Vectors, operand types and matrix products of kernel.cpp, which includes this file.
//
// A *word* is 32 bits of operand: one float, or a pair of bfloat16 that neighbour each other in k.
// Sums are float32 and run over k in one order whatever the size of the tile.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#ifdef __AVX512F__
#include <immintrin.h>
constexpr int LANES = 16, ROWS_3 = 8, ROWS_2 = 12;  // tiles of 8x3 and 12x2 vectors in 32 registers
#else
constexpr int LANES = 8, ROWS_3 = 4, ROWS_2 = 6;  // tiles for 16 registers
#endif

typedef float Vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t Word;

#define INLINE inline __attribute__((always_inline))

static INLINE Vec load(const void* address) { return *static_cast<const Vec*>(address); }
static INLINE void store(void* address, Vec value) { *static_cast<Vec*>(address) = value; }
static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// ---------------------------------------------------------------- gate functions

// exp on [-87, 87]: 2^n times the Taylor series on |r| <= ln(2) / 2, whose rest is below 6e-9.
static INLINE Vec exponential(Vec x) {
    const Vec top = Vec{} + 87.0f, bottom = Vec{} - 87.0f;
    x = x > top ? top : x;
    x = x < bottom ? bottom : x;
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    Vec shifted = x * 1.44269504f + magic;
    Vec n = shifted - magic;
    Vec r = x - n * 0.693359375f;  // ln 2 in two parts, the first exact in few bits
    r = r - n * -2.12194440e-4f;
    Vec p = r * (1 / 5040.0f) + 1 / 720.0f;
    p = p * r + 1 / 120.0f;
    p = p * r + 1 / 24.0f;
    p = p * r + 1 / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    IntVec exponent = __builtin_convertvector(n, IntVec);
    return (Vec)((IntVec)p + (exponent << 23));
}

static INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + exponential(-x)); }
static INLINE Vec hyperbolic_tangent(Vec x) { return 1.0f - 2.0f / (exponential(x + x) + 1.0f); }

// ---------------------------------------------------------------- operand types

struct Float {
    static constexpr int PER_WORD = 1;
    static INLINE Vec multiply_add(Vec sum, Word a, Vec b) {
        float scalar;
        std::memcpy(&scalar, &a, 4);
#ifdef __AVX512F__
        return (Vec)_mm512_fmadd_ps(_mm512_set1_ps(scalar), (__m512)b, (__m512)sum);
#else
        return sum + scalar * b;
#endif
    }
    // LANES values to LANES / PER_WORD words.
    static INLINE void put(Word* words, Vec values) { store(words, values); }
    static INLINE Word pair(float first, float) {
        Word word;
        std::memcpy(&word, &first, 4);
        return word;
    }
    // LANES columns of PER_WORD consecutive rows (row_words apart) to LANES words paired by row.
    static INLINE void interleave(Word* words, const Word* rows, int64_t, bool) {
        store(words, load(rows));
    }
};

#ifdef __AVX512BF16__
struct Brain {
    static constexpr int PER_WORD = 2;
    static INLINE Vec multiply_add(Vec sum, Word a, Vec b) {
        return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
    }
    static INLINE void put(Word* words, Vec values) {
        _mm256_storeu_si256((__m256i*)words, (__m256i)_mm512_cvtneps_pbh((__m512)values));
    }
    static INLINE Word rounded(float value) {  // to even, as vcvtneps2bf16
        Word bits;
        std::memcpy(&bits, &value, 4);
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
    static INLINE Word pair(float first, float second) {
        return rounded(first) | rounded(second) << 16;
    }
    static INLINE void interleave(Word* words, const Word* rows, int64_t row_words, bool second) {
        __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)rows));
        __m512i high = _mm512_setzero_si512();
        if (second)
            high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(rows + row_words)));
        _mm512_storeu_si512(words, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
};
#endif

// ---------------------------------------------------------------- memory

template <class T>
class Buffer {  // zeroed, aligned to cache lines
   public:
    explicit Buffer(int64_t n) {
        size_t bytes = round_up(std::max<int64_t>(n, 1) * sizeof(T), 64);
        data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
        if (!data_) throw std::bad_alloc();
        std::memset(data_.get(), 0, bytes);
    }
    operator T*() { return data_.get(); }

   private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
};

// Asks for large pages before the first touch: page faults cost up to a fifth of the time.
static void expect_large(float* first, int64_t n) {
#ifdef MADV_HUGEPAGE
    constexpr uintptr_t PAGE = 1 << 21;
    uintptr_t begin = (reinterpret_cast<uintptr_t>(first) + PAGE - 1) / PAGE * PAGE;
    uintptr_t end = reinterpret_cast<uintptr_t>(first + n) / PAGE * PAGE;
    if (first && begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// ---------------------------------------------------------------- products

// c (rows, VECTORS * LANES) = [c +] a · b with b one packed panel (n_words, VECTORS * LANES).
// a is (rows, n_words) with a_row words a row, or, TRANSPOSED, (n_words, ROWS).
template <class P, int VECTORS, int ROWS, bool TRANSPOSED>
static void tile(const Word* a, int64_t a_row, const Word* b, int64_t n_words, float* c,
                 int64_t c_row, bool accumulate) {
    Vec sum[ROWS][VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v)
            sum[i][v] = accumulate ? load(c + i * c_row + v * LANES) : Vec{};
    for (int64_t k = 0; k < n_words; ++k) {
        Vec panel[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) panel[v] = load(b + (k * VECTORS + v) * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; ++i) {
            Word word = TRANSPOSED ? a[k * ROWS + i] : a[i * a_row + k];
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; ++v)
                sum[i][v] = P::multiply_add(sum[i][v], word, panel[v]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) store(c + i * c_row + v * LANES, sum[i][v]);
}

using Tile = void (*)(const Word*, int64_t, const Word*, int64_t, float*, int64_t, bool);

template <class P, int VECTORS, int... I>
static Tile tile_among(int64_t rows, std::integer_sequence<int, I...>) {
    static constexpr Tile tiles[] = {tile<P, VECTORS, I + 1, false>...};
    return tiles[rows - 1];
}

template <class P, int VECTORS>
static Tile tile_of(int64_t rows) {
    constexpr int MOST = VECTORS == 3 ? ROWS_3 : ROWS_2;
    return tile_among<P, VECTORS>(rows, std::make_integer_sequence<int, MOST>());
}

// Cuts n rows into the fewest tiles of at most `most` rows, all of nearly one size.
struct Cut {
    int64_t n, most, count = (n + most - 1) / most;
    int64_t start(int64_t i) const { return i * n / count; }
    int64_t size(int64_t i) const { return start(i + 1) - start(i); }
};

// c (rows, n_columns) = [c +] a (rows, n_words) · b, packed in panels of 2 vectors.
template <class P>
static void multiply(const Word* a, int64_t a_row, int64_t rows, const Word* b, int64_t n_words,
                     float* c, int64_t n_columns, bool accumulate) {
    constexpr int64_t WIDTH = 2 * LANES;
    Cut cut{rows, ROWS_2};
    alignas(64) float edge[ROWS_2 * WIDTH];
    for (int64_t column = 0; column < n_columns; column += WIDTH, b += n_words * WIDTH) {
        int64_t width = std::min(WIDTH, n_columns - column);
        for (int64_t i = 0; i < cut.count; ++i) {
            int64_t first = cut.start(i), size = cut.size(i);
            auto run = tile_of<P, 2>(size);
            float* target = c + first * n_columns + column;
            if (width == WIDTH) {
                run(a + first * a_row, a_row, b, n_words, target, n_columns, accumulate);
                continue;
            }
            run(a + first * a_row, a_row, b, n_words, edge, WIDTH, false);
            for (int64_t row = 0; row < size; ++row)
                for (int64_t j = 0; j < width; ++j) {
                    float& value = target[row * n_columns + j];
                    value = edge[row * WIDTH + j] + (accumulate ? value : 0.0f);
                }
        }
    }
}
