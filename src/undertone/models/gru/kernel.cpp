// One GRU layer over packed ragged sequences, forward and backward, in one thread.
//
// Maths (torch.nn.GRU, gate order r, z, n):
//     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)      z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
//     m = W_hn h + b_hn                               n = tanh(W_in x + b_in + r m)
//     h' = n + z (h - n)
//
// Packed: time-major rows, step t holding the batch_sizes[t] sequences still running (never
// increasing), so row b of step t follows row b of step t - 1. Rows never mix, and each sum runs
// over k in one order whatever the tile, so a sequence's result does not depend on its company.
//
// A *block* is LANES hidden units. Columns of gates are ordered [block][gate][lane], so that one
// tile of a product holds every gate of its units. Widths are padded with zeros to whole blocks;
// padded units stay exactly 0.
//
// Each layer works in chunks of about CHUNK rows that stay in cache: forward, the chunk's input
// projection and then its recurrent steps; backward, its steps and then the chunk's share of the
// weight gradients, deferred to one product over all its rows.

#include <vector>

#include "products.cpp"

constexpr int64_t CHUNK = 256;  // rows

// ---------------------------------------------------------------- one layer

struct Sizes {
    int64_t n_steps;
    const int64_t* batch_sizes;
    int64_t n_features, n_hidden;
    int64_t blocks = (n_hidden + LANES - 1) / LANES, width = blocks * LANES, gates = 3 * width;
};

template <class P>
class Layer {
   public:
    explicit Layer(const Sizes& sizes)
        : s(sizes), input_words(words_of(s.n_features)), hidden_words(s.width / P::PER_WORD) {
        batch = s.batch_sizes[0];
        offset.assign(s.n_steps + 1, 0);
        for (int64_t t = 0; t < s.n_steps; ++t) offset[t + 1] = offset[t] + s.batch_sizes[t];
    }

    void forward(const float* x, const float* start, const float* w_ih, const float* w_hh,
                 const float* b_ih, const float* b_hh, float* out, float* saved) {
        Buffer<Word> input_panels(s.blocks * input_words * 3 * LANES);
        Buffer<Word> hidden_panels(s.blocks * hidden_words * 3 * LANES);
        pack_gate_columns(w_ih, s.n_features, input_words, input_panels);
        pack_gate_columns(w_hh, s.n_hidden, hidden_words, hidden_panels);
        Buffer<float> bias(4 * s.width);  // [block][r, z, n of input, n of hidden]
        for (int64_t unit = 0; unit < s.n_hidden; ++unit) {
            float* of = bias + unit / LANES * 4 * LANES + unit % LANES;
            for (int gate = 0; gate < 2; ++gate)
                of[gate * LANES] = b_ih[gate * s.n_hidden + unit] + b_hh[gate * s.n_hidden + unit];
            of[2 * LANES] = b_ih[2 * s.n_hidden + unit];
            of[3 * LANES] = b_hh[2 * s.n_hidden + unit];
        }
        Buffer<Word> input(most_rows() * input_words);
        Buffer<float> projected(most_rows() * s.gates);
        Buffer<Word> state(batch * hidden_words), next(batch * hidden_words);
        put_rows(start, s.width, batch, state, hidden_words);
        expect_large(out, offset[s.n_steps] * s.width);
        expect_large(saved, offset[s.n_steps] * 4 * s.width);
        for (int64_t begin = 0, end; begin < s.n_steps; begin = end) {
            end = chunk_end(begin);
            int64_t rows = offset[end] - offset[begin];
            put_rows(x + offset[begin] * s.n_features, s.n_features, rows, input, input_words);
            project(input, rows, input_panels, projected);
            for (int64_t t = begin; t < end; ++t) {
                const float* before = t ? out + offset[t - 1] * s.width : start;
                step(s.batch_sizes[t], state, hidden_panels,
                     projected + (offset[t] - offset[begin]) * s.gates, bias, before,
                     out + offset[t] * s.width, next,
                     saved ? saved + offset[t] * 4 * s.width : nullptr);
                std::swap(state, next);
            }
        }
    }

    void backward(const float* x, const float* start, const float* w_ih, const float* w_hh,
                  const float* out, const float* saved, const float* grad_out, float* grad_x,
                  float* grad_start, float* grad_w_ih, float* grad_w_hh, float* grad_b_ih,
                  float* grad_b_hh) {
        int64_t gate_words = s.gates / P::PER_WORD;
        Buffer<Word> hidden_panels(panel_words(s.width)), input_panels(panel_words(s.n_features));
        pack_gate_rows(w_hh, s.n_hidden, s.width, hidden_panels);
        if (grad_x) pack_gate_rows(w_ih, s.n_features, s.n_features, input_panels);
        Buffer<Word> by_input(most_rows() * gate_words), by_hidden(most_rows() * gate_words);
        Buffer<float> sums(4 * s.width), of_w_ih(round_up(s.n_features, ROWS_3) * s.gates),
            of_w_hh(s.width * s.gates);
        Buffer<Word> rows_words(most_rows() * std::max(round_up(input_words, LANES), hidden_words));
        int64_t most_pairs = (most_rows() + 1) / P::PER_WORD;
        Buffer<Word> left(most_pairs * std::max(round_up(s.n_features, LANES), s.width));
        Buffer<Word> right(most_pairs * s.gates);
        std::fill(grad_start, grad_start + batch * s.width, 0.0f);
        expect_large(grad_x, offset[s.n_steps] * s.n_features);
        for (int64_t end = s.n_steps, begin; end > 0; end = begin) {
            begin = chunk_begin(end);
            int64_t rows = offset[end] - offset[begin];
            for (int64_t t = end - 1; t >= begin; --t) {
                int64_t row = offset[t] - offset[begin];
                const float* before = t ? out + offset[t - 1] * s.width : start;
                step_back(s.batch_sizes[t], saved + offset[t] * 4 * s.width, before,
                          grad_out + offset[t] * s.width, grad_start, by_input + row * gate_words,
                          by_hidden + row * gate_words, sums);
                multiply<P>(by_hidden + row * gate_words, gate_words, s.batch_sizes[t],
                            hidden_panels, gate_words, grad_start, s.width, true);
            }
            if (grad_x)
                multiply<P>(by_input, gate_words, rows, input_panels, gate_words,
                            grad_x + offset[begin] * s.n_features, s.n_features, false);
            int64_t row_words = round_up(input_words, LANES);
            put_rows(x + offset[begin] * s.n_features, s.n_features, rows, rows_words, row_words);
            add_outer(rows_words, row_words, s.n_features, by_input, rows, left, right, of_w_ih);
            put_rows_before(begin, end, start, out, rows_words);
            add_outer(rows_words, hidden_words, s.width, by_hidden, rows, left, right, of_w_hh);
        }
        unpack(of_w_ih, s.n_features, grad_w_ih);
        unpack(of_w_hh, s.n_hidden, grad_w_hh);
        for (int64_t unit = 0; unit < s.n_hidden; ++unit)
            for (int gate = 0; gate < 3; ++gate) {
                const float* of = sums + unit / LANES * 4 * LANES + unit % LANES;
                grad_b_ih[gate * s.n_hidden + unit] = of[gate * LANES];
                grad_b_hh[gate * s.n_hidden + unit] = of[(gate == 2 ? 3 : gate) * LANES];
            }
    }

   private:
    const Sizes s;
    const int64_t input_words, hidden_words;
    int64_t batch;
    std::vector<int64_t> offset;

    static int64_t words_of(int64_t n) { return (n + P::PER_WORD - 1) / P::PER_WORD; }
    int64_t most_rows() const { return std::min(CHUNK + batch, offset[s.n_steps]); }
    int64_t panel_words(int64_t columns) const {
        return round_up(columns, 2 * LANES) * (s.gates / P::PER_WORD);
    }

    int64_t chunk_end(int64_t begin) const {
        int64_t end = begin + 1;
        while (end < s.n_steps && offset[end] - offset[begin] < CHUNK) ++end;
        return end;
    }
    int64_t chunk_begin(int64_t end) const {
        int64_t begin = end - 1;
        while (begin > 0 && offset[end] - offset[begin] < CHUNK) --begin;
        return begin;
    }

    // weight (3 * n_hidden, n_inputs) to panels [block][word][gate][lane].
    void pack_gate_columns(const float* weight, int64_t n_inputs, int64_t n_words, Word* panels) {
        for (int64_t block = 0; block < s.blocks; ++block)
            for (int gate = 0; gate < 3; ++gate)
                for (int lane = 0; lane < LANES && block * LANES + lane < s.n_hidden; ++lane) {
                    int64_t unit = gate * s.n_hidden + block * LANES + lane;
                    const float* row = weight + unit * n_inputs;
                    Word* to = panels + (block * n_words * 3 + gate) * LANES + lane;
                    for (int64_t k = 0; k < n_inputs; k += P::PER_WORD, to += 3 * LANES)
                        *to = P::pair(row[k], k + 1 < n_inputs ? row[k + 1] : 0.0f);
                }
    }

    // weight (3 * n_hidden, columns), k running over [block][gate][lane], to panels of 2 vectors.
    void pack_gate_rows(const float* weight, int64_t columns, int64_t padded, Word* panels) {
        constexpr int64_t WIDTH = 2 * LANES;
        for (int64_t column = 0; column < padded; column += WIDTH)
            for (int64_t k = 0; k < s.gates; k += P::PER_WORD, panels += WIDTH) {
                int64_t gate = k / LANES % 3, unit = k / (3 * LANES) * LANES + k % LANES;
                if (unit >= s.n_hidden) continue;
                const float* row = weight + (gate * s.n_hidden + unit) * columns;
                const float* below = unit + 1 < s.n_hidden ? row + columns : nullptr;
                for (int64_t j = column; j < std::min(column + WIDTH, columns); ++j)
                    panels[j - column] = P::pair(row[j], below ? below[j] : 0.0f);
            }
    }

    // rows (n_rows, n) of floats to words, row_words a row; the rest of each row becomes 0.
    static void put_rows(const float* rows, int64_t n, int64_t n_rows, Word* words,
                         int64_t row_words) {
        for (int64_t row = 0; row < n_rows; ++row, rows += n, words += row_words) {
            int64_t i = 0;
            for (; i + LANES <= n; i += LANES) P::put(words + i / P::PER_WORD, load(rows + i));
            for (; i < n; i += P::PER_WORD)
                words[i / P::PER_WORD] = P::pair(rows[i], i + 1 < n ? rows[i + 1] : 0.0f);
            std::fill(words + words_of(n), words + row_words, 0);
        }
    }

    // The state that each row of steps begin..end started from.
    void put_rows_before(int64_t begin, int64_t end, const float* start, const float* out,
                         Word* words) {
        for (int64_t t = begin; t < end; ++t) {
            const float* before = t ? out + offset[t - 1] * s.width : start;
            put_rows(before, s.width, s.batch_sizes[t],
                     words + (offset[t] - offset[begin]) * hidden_words, hidden_words);
        }
    }

    void project(const Word* input, int64_t rows, const Word* panels, float* projected) {
        Cut cut{rows, ROWS_3};
        for (int64_t block = 0; block < s.blocks; ++block, panels += input_words * 3 * LANES)
            for (int64_t i = 0; i < cut.count; ++i) {
                auto run = tile_of<P, 3>(cut.size(i));
                run(input + cut.start(i) * input_words, input_words, panels, input_words,
                    projected + cut.start(i) * s.gates + block * 3 * LANES, s.gates, false);
            }
    }

    void step(int64_t n, const Word* state, const Word* panels, const float* projected,
              const float* bias, const float* before, float* out, Word* next, float* saved) {
        Cut cut{n, ROWS_3};
        alignas(64) float product[ROWS_3 * 3 * LANES];
        for (int64_t block = 0; block < s.blocks; ++block, panels += hidden_words * 3 * LANES)
            for (int64_t i = 0; i < cut.count; ++i) {
                int64_t first = cut.start(i), size = cut.size(i);
                auto run = tile_of<P, 3>(size);
                run(state + first * hidden_words, hidden_words, panels, hidden_words, product,
                    3 * LANES, false);
                for (int64_t j = 0; j < size; ++j) {
                    int64_t row = first + j, at = row * s.width + block * LANES;
                    Vec value =
                        gate(product + j * 3 * LANES, projected + row * s.gates + block * 3 * LANES,
                             bias + block * 4 * LANES, load(before + at),
                             saved ? saved + 4 * at : nullptr);
                    store(out + at, value);
                    P::put(next + at / P::PER_WORD, value);
                }
            }
    }

    static INLINE Vec gate(const float* product, const float* projected, const float* bias,
                           Vec before, float* saved) {
        Vec r = sigmoid(load(projected) + load(product) + load(bias));
        Vec z = sigmoid(load(projected + LANES) + load(product + LANES) + load(bias + LANES));
        Vec m = load(product + 2 * LANES) + load(bias + 3 * LANES);
        Vec n = hyperbolic_tangent(load(projected + 2 * LANES) + load(bias + 2 * LANES) + r * m);
        if (saved) {
            store(saved, r);
            store(saved + LANES, z);
            store(saved + 2 * LANES, n);
            store(saved + 3 * LANES, m);
        }
        return n + z * (before - n);
    }

    // Gradients of the gates' arguments of one step; grad keeps its share through z.
    void step_back(int64_t n_rows, const float* saved, const float* before, const float* grad_out,
                   float* grad, Word* by_input, Word* by_hidden, float* sums) {
        constexpr int64_t WORDS = LANES / P::PER_WORD;
        for (int64_t i = 0; i < n_rows * s.blocks; ++i) {
            float* sum = sums + i % s.blocks * 4 * LANES;
            Vec r = load(saved + 4 * i * LANES), z = load(saved + (4 * i + 1) * LANES);
            Vec n = load(saved + (4 * i + 2) * LANES), m = load(saved + (4 * i + 3) * LANES);
            Vec of_h = load(grad + i * LANES) + load(grad_out + i * LANES);
            Vec of_z = of_h * (load(before + i * LANES) - n) * z * (1.0f - z);
            Vec of_n = of_h * (1.0f - z) * (1.0f - n * n);
            Vec of_r = of_n * m * r * (1.0f - r);
            Vec of_m = of_n * r;
            store(grad + i * LANES, of_h * z);
            Vec all[] = {of_r, of_z, of_n, of_m};
            for (int gate = 0; gate < 4; ++gate) {
                if (gate < 3) P::put(by_input + (3 * i + gate) * WORDS, all[gate]);
                if (gate != 2) P::put(by_hidden + (3 * i + std::min(gate, 2)) * WORDS, all[gate]);
                store(sum + gate * LANES, load(sum + gate * LANES) + all[gate]);
            }
        }
    }

    // total (n_left, gates) += left_rows^T (n_left, rows) · right_rows (rows, gates).
    void add_outer(const Word* left_rows, int64_t left_row, int64_t n_left, const Word* right_rows,
                   int64_t rows, Word* left, Word* right, float* total) {
        constexpr int64_t PANEL = 3 * LANES;
        int64_t pairs = words_of(rows), right_row = s.gates / P::PER_WORD;
        alignas(64) Word column[LANES];
        for (int64_t k = 0; k < pairs; ++k) {
            bool second = 2 * k + 1 < rows;
            const Word* from = right_rows + k * P::PER_WORD * right_row;
            for (int64_t g = 0; g < s.gates; g += LANES)
                P::interleave(right + g / PANEL * pairs * PANEL + k * PANEL + g % PANEL,
                              from + g / P::PER_WORD, right_row, second);
            from = left_rows + k * P::PER_WORD * left_row;
            for (int64_t j = 0; j < n_left; j += LANES) {
                P::interleave(column, from + j / P::PER_WORD, left_row, second);
                for (int64_t i = 0; i < LANES; i += ROWS_3)
                    std::memcpy(left + (j + i) * pairs + k * ROWS_3, column + i,
                                ROWS_3 * sizeof(Word));
            }
        }
        for (int64_t g = 0; g < s.gates; g += PANEL)
            for (int64_t i = 0; i < n_left; i += ROWS_3)
                tile<P, 3, ROWS_3, true>(left + i * pairs, 0, right + g * pairs, pairs,
                                         total + i * s.gates + g, s.gates, true);
    }

    // total (n_inputs, [block][gate][lane]) to weight (3 * n_hidden, n_inputs).
    void unpack(const float* total, int64_t n_inputs, float* weight) {
        for (int64_t column = 0; column < s.gates; column += LANES)
            for (int64_t begin = 0; begin < n_inputs; begin += LANES)  // squares that stay in cache
                for (int64_t lane = 0; lane < LANES; ++lane) {
                    int64_t unit = column / (3 * LANES) * LANES + lane, gate = column / LANES % 3;
                    if (unit >= s.n_hidden) break;
                    float* row = weight + (gate * s.n_hidden + unit) * n_inputs;
                    for (int64_t k = begin; k < std::min<int64_t>(begin + LANES, n_inputs); ++k)
                        row[k] = total[k * s.gates + column + lane];
                }
    }
};

// ---------------------------------------------------------------- the C interface, 0 for success

// start, out, grad_out and grad_start have rows of round_up(n_hidden, undertone_gru_lanes())
// floats; saved, 4 times that, or null where no gradient is wanted, like grad_x.
#define UNDERTONE_GRU(NAME, TYPE)                                                                  \
    int undertone_gru_forward_##NAME(                                                              \
        int64_t n_steps, const int64_t* batch_sizes, int64_t n_features, int64_t n_hidden,         \
        const float* x, const float* start, const float* w_ih, const float* w_hh,                  \
        const float* b_ih, const float* b_hh, float* out, float* saved) {                          \
        try {                                                                                      \
            Layer<TYPE>(Sizes{n_steps, batch_sizes, n_features, n_hidden})                         \
                .forward(x, start, w_ih, w_hh, b_ih, b_hh, out, saved);                            \
            return 0;                                                                              \
        } catch (const std::bad_alloc&) {                                                          \
            return 1;                                                                              \
        }                                                                                          \
    }                                                                                              \
    int undertone_gru_backward_##NAME(int64_t n_steps, const int64_t* batch_sizes,                 \
                                      int64_t n_features, int64_t n_hidden, const float* x,        \
                                      const float* start, const float* w_ih, const float* w_hh,    \
                                      const float* out, const float* saved, const float* grad_out, \
                                      float* grad_x, float* grad_start, float* grad_w_ih,          \
                                      float* grad_w_hh, float* grad_b_ih, float* grad_b_hh) {      \
        try {                                                                                      \
            Layer<TYPE>(Sizes{n_steps, batch_sizes, n_features, n_hidden})                         \
                .backward(x, start, w_ih, w_hh, out, saved, grad_out, grad_x, grad_start,          \
                          grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh);                             \
            return 0;                                                                              \
        } catch (const std::bad_alloc&) {                                                          \
            return 1;                                                                              \
        }                                                                                          \
    }

extern "C" {
int64_t undertone_gru_lanes() { return LANES; }
UNDERTONE_GRU(float32, Float)
#ifdef __AVX512BF16__
UNDERTONE_GRU(bfloat16, Brain)
#endif
}
