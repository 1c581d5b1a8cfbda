#include <math.h>
#include <stdint.h>
#include <string.h>

#define APART __attribute__((noinline)) /* so that a profile tells them apart */

/* Mathematics in plain C: no calls and no branches, so that the compiler turns the loop over entries into vector code.
   By argument reduction and polynomials, within 2 units in the last place; NaN stays NaN. What is specific to losses:
   exp gives 0 below e^-87 and saturates at e^88, log takes numbers below 2^-126 for 0, log1p is for [-1, 1]. Subnormal
   numbers, which would cost a hundred times more than all the rest, do not appear. */

static inline float as_float(uint32_t bits) { float f; memcpy(&f, &bits, 4); return f; }
static inline uint32_t as_bits(float f) { uint32_t bits; memcpy(&bits, &f, 4); return bits; }

static inline float ek_exp(float x) {
  float z = 88.f < x ? 88.f : x;
  z = -87.f > z ? -87.f : z;
  float shifted = z * 1.44269504088896341f + 12582912.f; /* 1.5 * 2^23: rounds, and leaves n in the low bits */
  float n = shifted - 12582912.f;
  float r = (z - n * 0.693359375f) + n * 2.12194440e-4f;
  float poly = 1.9875691500e-4f;
  poly = poly * r + 1.3981999507e-3f;
  poly = poly * r + 8.3334519073e-3f;
  poly = poly * r + 4.1665795894e-2f;
  poly = poly * r + 1.6666665459e-1f;
  poly = poly * r + 5.0000001201e-1f;
  poly = poly * (r * r) + r + 1.f;
  float scaled = as_float(as_bits(poly) + (as_bits(shifted) << 23));
  return x < -87.f ? 0.f : scaled;
}

/* log(s) + lost, s a normal number; NaN gets through in `lost`. */
static inline float log_normal(float s, float lost) {
  uint32_t i = as_bits(s) - 0x3f3504f3u; /* from sqrt(1/2) on: f lies in [-0.29, 0.42] */
  float e = (float)((int32_t)i >> 23);
  float f = as_float((i & 0x007fffffu) + 0x3f3504f3u) - 1.f, f2 = f * f;
  float poly = 7.0376836292e-2f;
  poly = poly * f - 1.1514610310e-1f;
  poly = poly * f + 1.1676998740e-1f;
  poly = poly * f - 1.2420140846e-1f;
  poly = poly * f + 1.4249322787e-1f;
  poly = poly * f - 1.6668057665e-1f;
  poly = poly * f + 2.0000714765e-1f;
  poly = poly * f - 2.4999993993e-1f;
  poly = poly * f + 3.3333331174e-1f;
  float tail = poly * f * f2 - e * 2.12194440e-4f - 0.5f * f2 + lost;
  return (f + tail) + e * 0.693359375f;
}

static inline float ek_log(float x) {
  float r = log_normal(x, x - x);
  return x < 1.17549435e-38f ? -INFINITY : r;
}

/* What 1 + u rounds away is added as it is: it matters near u = 0 only, where the slope of the logarithm is 1. */
static inline float ek_log1p(float u) {
  float w = 1.f + u;
  return log_normal(w, u - (w - 1.f));
}

enum { BLOCK = 1024, FLOAT32 = 0, BFLOAT16 = 1, BYTE = 2 };

/* One side of the loss. With `uniform`, inputs that are one number a trial are the same for all n entries. */
static void negative(int uniform, long n, const float *restrict x, const float *const *in,
                     const float *restrict parameters, float num_classes, float factor, float *restrict value,
                     float *restrict slope);
static void positive(int uniform, long n, const float *restrict x, const float *const *in,
                     const float *restrict parameters, float num_classes, float factor, float *restrict value,
                     float *restrict slope);

static inline float element(const void *base, int kind, int64_t at) {
  if (kind == BFLOAT16) return as_float((uint32_t)((const uint16_t *)base)[at] << 16);
  return kind == BYTE ? (float)((const uint8_t *)base)[at] : ((const float *)base)[at];
}

/* `rows` runs of `n` elements as floats side by side: in place where they lie so already, else copied to `buffer`. */
APART static const float *fetch(const void *base, int kind, int64_t at, int64_t step, int64_t stride, long rows,
                                long n, float *buffer) {
  if (kind == FLOAT32 && stride == 1 && (rows == 1 || step == n)) return (const float *)base + at;
  for (long r = 0; r < rows; r++, at += step) {
    float *to = buffer + r * n;
    if (stride == 0) {
      float same = element(base, kind, at);
      for (long c = 0; c < n; c++) to[c] = same;
    } else if (kind == BFLOAT16 && stride == 1) {
      const uint16_t *from = (const uint16_t *)base + at;
      for (long c = 0; c < n; c++) to[c] = as_float((uint32_t)from[c] << 16);
    } else if (kind == FLOAT32 && stride == 1) {
      const float *from = (const float *)base + at;
      for (long c = 0; c < n; c++) to[c] = from[c];
    } else {
      for (long c = 0; c < n; c++) to[c] = element(base, kind, at + c * stride);
    }
  }
  return buffer;
}

/* Where targets are 1. Comparisons become bytes, eight bytes a word, eight words 64 bits: few branches are mispredicted. */
static long places_of_positives(long n, const float *restrict y, int32_t *restrict at) {
  uint8_t is[BLOCK];
  long num = 0;
  for (long i = 0; i < n; i++) is[i] = y[i] > 0.5f;
  memset(is + n, 0, -n & 63);
  for (long i = 0; i < n; i += 64) {
    uint64_t bits = 0;
    for (int j = 0; j < 8; j++) {
      uint64_t word;
      memcpy(&word, is + i + 8 * j, 8);
      bits |= (word * 0x0102040810204080u >> 56) << 8 * j;
    }
    for (; bits; bits &= bits - 1) at[num++] = (int32_t)i + __builtin_ctzll(bits);
  }
  return num;
}

/* The negative side everywhere, the positive side only where a target is 1, gathered side by side. */
APART static void entries(int uniform, long n, const float *x, const float *y, const float *const *in,
                          const float *restrict parameters, float num_classes, float factor, float *value,
                          float *slope) {
  float xs[BLOCK], vs[BLOCK], ss[BLOCK], gathered[NUM_INPUTS + 1][BLOCK];
  int32_t at[BLOCK];
  const float *some[NUM_INPUTS + 1];
  negative(uniform, n, x, in, parameters, num_classes, factor, value, slope);
  long num = places_of_positives(n, y, at);
  if (!num) return;
  for (long k = 0; k < num; k++) xs[k] = x[at[k]];
  for (int j = 0; j < NUM_INPUTS; j++) {
    some[j] = uniform && ONE_A_TRIAL[j] ? in[j] : gathered[j];
    if (POSITIVE_USES[j] && some[j] != in[j])
      for (long k = 0; k < num; k++) gathered[j][k] = in[j][at[k]];
  }
  positive(uniform, num, xs, some, parameters, num_classes, factor, vs, ss);
  for (long k = 0; k < num; k++) {
    value[at[k]] = vs[k];
    slope[at[k]] = ss[k];
  }
}

APART static double total(const float *v, long n) {
  double lanes[8] = {0}, sum = 0;
  long c = 0;
  for (; c + 8 <= n; c += 8)
    for (int j = 0; j < 8; j++) lanes[j] += v[c + j];
  for (; c < n; c++) sum += v[c];
  for (int j = 0; j < 8; j++) sum += lanes[j];
  return sum;
}

APART static void put(void *base, int kind, int64_t at, const float *from, long n) {
  if (kind == BFLOAT16) {
    uint16_t *to = (uint16_t *)base + at;
    for (long c = 0; c < n; c++) {
      float f = from[c];
      uint32_t bits = as_bits(f);
      to[c] = f == f ? (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16) : 0x7fc0u;
    }
  } else {
    float *to = (float *)base + at;
    for (long c = 0; c < n; c++) to[c] = from[c];
  }
}

typedef struct { int64_t kind, outer, inner, stride; } operand;

typedef struct {
  int64_t num_outer, num_inner, num_classes, num_trials, slope_kind, outer_step, inner_step, sum_outer, sum_inner;
  const operand *operands; /* logits, targets, inputs: their strides along (outer, inner, class) */
  const float *parameters;
} plan;

/* Entries (outer, inner, class) of the rows outer_from <= outer < outer_to. Either `values` gets the loss of each, or
   `sums` their sum over each trial times `factor`; `slopes` gets the derivatives times `factor`. The one part of a plan
   without others also gives `means`, the sums in single precision. */
void run(int64_t outer_from, int64_t outer_to, const plan *p, void **pointers, float *values, double *sums,
         float *means, void *slopes, float factor) {
  float xs[BLOCK], ys[BLOCK], vs[BLOCK], apart[BLOCK], buffers[NUM_INPUTS + 1][BLOCK];
  const float *in[NUM_INPUTS + 1];
  long ready[NUM_INPUTS + 1];
  memset(ready, 0, sizeof ready);
  int uniform = 1;
  for (int j = 0; j < NUM_INPUTS; j++)
    if (ONE_A_TRIAL[j] && p->operands[2 + j].inner) uniform = 0;
  long num_classes = p->num_classes, rows_each = num_classes < BLOCK ? BLOCK / num_classes : 1;
  for (int64_t o = outer_from; o < outer_to; o++) {
    for (int j = 0; j < NUM_INPUTS; j++)
      if (p->operands[2 + j].outer) ready[j] = 0;
    for (int64_t i = 0; i < p->num_inner; i += rows_each) {
      long rows = p->num_inner - i < rows_each ? p->num_inner - i : rows_each;
      for (int64_t c = 0; c < num_classes; c += BLOCK) {
        long n = num_classes - c < BLOCK ? num_classes - c : BLOCK;
        const float *arrays[2];
        for (int j = 0; j < 2 + NUM_INPUTS; j++) {
          operand a = p->operands[j];
          if (j >= 2 && ready[j - 2] >= rows * n) continue;
          if (j >= 2 && uniform && ONE_A_TRIAL[j - 2]) {
            in[j - 2] = (const float *)pointers[j] + o * a.outer;
            continue;
          }
          const float *got = fetch(pointers[j], a.kind, o * a.outer + i * a.inner + c * a.stride, a.inner, a.stride,
                                   rows, n, j == 0 ? xs : j == 1 ? ys : buffers[j - 2]);
          if (j < 2) {
            arrays[j] = got;
          } else {
            in[j - 2] = got;
            ready[j - 2] = a.inner == 0 && (a.stride == 0 || num_classes <= BLOCK) ? rows * n : 0;
          }
        }
        int64_t at = o * p->outer_step + i * p->inner_step + c, sum_at = o * p->sum_outer + i * p->sum_inner;
        int joined = p->inner_step == n || rows == 1;
        float *ss = joined && p->slope_kind == FLOAT32 ? (float *)slopes + at : apart;
        entries(uniform, rows * n, arrays[0], arrays[1], in, p->parameters, (float)num_classes, factor, vs, ss);
        long runs = joined ? 1 : rows, length = joined ? rows * n : n;
        for (long r = 0; r < runs; r++) {
          if (values) memcpy(values + at + r * p->inner_step, vs + r * n, length * sizeof(float));
          if (ss == apart) put(slopes, p->slope_kind, at + r * p->inner_step, ss + r * n, length);
        }
        if (values) continue;
        if (!p->sum_inner) runs = 1, length = rows * n;
        else runs = rows, length = n;
        for (long r = 0; r < runs; r++) sums[sum_at + r] += factor * total(vs + r * n, length);
      }
    }
  }
  for (int64_t t = 0; means && t < p->num_trials; t++) means[t] = (float)sums[t];
}
