/* Every GPU kernel that Weir may ask for compiles: each source for each operation and dtype that
   has a body, and groups of all of them, for compute capability 9.0, and one of each source that
   all GPUs have for the least that the compiler takes. It needs the compiler library alone, no GPU;
   where that is missing the test is skipped. With arguments, only sources whose file begins like
   one of them; "group" stands for those that are made from groups. Each source is tried with each
   operation and variant, and a fifth of their dtypes, unless arguments or WEIR_TEST_FULL ask for
   all. Before that, without a compiler too: numbers of a launch are widened before they are
   multiplied. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/codegen/internal.h"
#include "backend/cuda/codegen/kernel_sources.h"
#include "backend/cuda/ops/ops.h"
#include "base/atomic.h"

enum { ARCH = 90, LEAST_ARCH = 75, THREADS = 4, MOST = 4096, SHARE = 5 };

static struct wr_module_id wanted[MOST];
static int n_wanted, n_groups;
static wr_atomic_u32 next_wanted, failures; /* atomic RELAXED: the threads are joined */

static char **only;
static int n_only;
static bool all; /* what is wanted, and not a share of it */

static const char *const files[] = {
#define WR_SOURCE(ID, file, ...) [WR_SOURCE_##ID] = file,
#include "backend/cuda/codegen/sources.def"
#undef WR_SOURCE
};

static bool asked_for(enum wr_source source) {
  for (int i = 0; i < n_only; i++) {
    if (!strncmp(files[source], only[i], strlen(only[i]))) return true;
  }
  return n_only == 0;
}

static void want(enum wr_source source, enum wr_op op, enum wr_dtype a, enum wr_dtype b) {
  if (asked_for(source) && n_wanted < MOST) {
    wanted[n_wanted] = (struct wr_module_id){(uint8_t)source, (uint8_t)op,        (uint8_t)a,
                                             (uint8_t)b,      n_wanted % 16 == 0, 0};
    n_wanted++;
  }
}

/* Leaves of what is wanted the first of each source, operation and variant, and one of SHARE. */
static void leave_a_share(void) {
  int left = 0;
  for (int i = 0; i < n_wanted; i++) {
    bool first = true;
    for (int k = 0; k < left && first; k++) {
      first = wanted[k].source != wanted[i].source || wanted[k].op != wanted[i].op ||
              wanted[k].variant != wanted[i].variant;
    }
    if (first || i % SHARE == 0) wanted[left++] = wanted[i];
  }
  n_wanted = left;
}

/* Each way of packing, and with each of them and one other type. */
static void want_quantized(enum wr_dtype t) {
  static const uint8_t variants[] = {1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18};
  for (size_t i = 0; i < sizeof variants && n_wanted + 3 < MOST; i++) {
    const int before = n_wanted;
    if (t != WR_FLOAT16 && (i + (size_t)t) % 3 != 0) continue;
    const bool affine = variants[i] < 16;
    if (affine || t != WR_FLOAT64) want(WR_SOURCE_QUANTIZED, WR_OP_QUANTIZE, t, t);
    if (variants[i] != 7 && t != WR_FLOAT64) {
      want(WR_SOURCE_QUANTIZED_MATMUL, WR_OP_QUANTIZED_MATMUL, t, t);
      if (wr_dtype_size(t) == 2) {
        want(WR_SOURCE_QUANTIZED_TILES, WR_OP_QUANTIZED_MATMUL, t, t);
        if (variants[i] == 4 || variants[i] == 8) {
          want(WR_SOURCE_QUANTIZED_WIDE, WR_OP_QUANTIZED_MATMUL, t, t);
        }
      }
    }
    for (int k = before; k < n_wanted; k++) wanted[k].variant = variants[i];
  }
}

/* Of 16-bit floats, with each kind of mask, and without in tiles of both heights and lengths. */
static void want_attention(enum wr_dtype t) {
  static const enum wr_dtype masks[] = {WR_BOOL, WR_INT32, WR_FLOAT16, WR_BFLOAT16};
  for (int i = 0; i < 4 && n_wanted + 3 <= MOST; i++) {
    if (masks[i] == (t == WR_FLOAT16 ? WR_BFLOAT16 : WR_FLOAT16)) continue;
    const int before = n_wanted;
    want(WR_SOURCE_ATTENTION, WR_OP_ATTENTION, t, masks[i]);
    want(WR_SOURCE_ATTENTION_TILES, WR_OP_ATTENTION, t, masks[i]);
    want(WR_SOURCE_ATTENTION_FEW, WR_OP_ATTENTION, t, masks[i]);
    for (int k = before; k < n_wanted; k++) {
      const bool tiles = wanted[k].source == WR_SOURCE_ATTENTION_TILES;
      wanted[k].variant = (uint8_t)(1 + i % 2 + (tiles && i > 0 ? 2 : 0));
    }
  }
  static const uint8_t variants[] = {2, 5, 10};
  for (int i = 0; i < 3; i++) {
    const int before = n_wanted;
    want(WR_SOURCE_ATTENTION_TILES, WR_OP_ATTENTION, t, WR_BOOL);
    if (n_wanted > before) wanted[before].variant = variants[i];
  }
}

static void want_wide_attention(void) {
  static const uint8_t variants[] = {1, 2, 5, 6, 9, 10, 13, 14};
  for (int i = 0; i < 8; i++) {
    const int before = n_wanted;
    want(WR_SOURCE_ATTENTION_WIDE, WR_OP_ATTENTION, WR_FLOAT32, i % 3 ? WR_FLOAT32 : WR_BOOL);
    if (n_wanted > before) wanted[before].variant = variants[i];
  }
}

static enum wr_dtype unary_result(enum wr_op op, enum wr_dtype t) {
  bool predicate = wr_op_info(op)->rule == WR_RULE_PREDICATE || op == WR_OP_LOGICAL_NOT;
  if (predicate) return WR_BOOL;
  return wr_op_info(op)->rule == WR_RULE_ABS && t == WR_COMPLEX64 ? WR_FLOAT32 : t;
}

static enum wr_dtype binary_result(enum wr_op op, enum wr_dtype t) {
  bool predicate =
      wr_op_info(op)->rule == WR_RULE_COMPARE || wr_op_info(op)->rule == WR_RULE_LOGICAL;
  return predicate ? WR_BOOL : t;
}

/* Groups have each operation and cast with all its types; by itself each is compiled with some. So
   are scans, whose types are tried with sums. */
static bool is_alone(int op, enum wr_dtype t) { return (op + (int)t) % 4 == 0; }

static void want_elementwise(enum wr_dtype t) {
  for (int op = 0; op < WR_OP_COUNT; op++) {
    wr_gpu_kernel kernel = wr_gpu_kernel_for((enum wr_op)op);
    if (!is_alone(op, t)) continue;
    if (kernel == wr_gpu_unary && wr_op_takes((enum wr_op)op, t)) {
      want(WR_SOURCE_UNARY, (enum wr_op)op, t, unary_result((enum wr_op)op, t));
    }
    if (kernel == wr_gpu_binary && wr_op_takes((enum wr_op)op, t)) {
      want(WR_SOURCE_BINARY, (enum wr_op)op, t, binary_result((enum wr_op)op, t));
    }
  }
  for (int to = 0; to < WR_DTYPE_COUNT; to++) {
    if (to != (int)t && is_alone(to, t)) want(WR_SOURCE_CAST, WR_OP_ASTYPE, t, (enum wr_dtype)to);
  }
  want(WR_SOURCE_ARANGE, WR_OP_ARANGE, t, t);
  if (wr_gpu_matmul_has(t)) want(WR_SOURCE_SCALE, WR_OP_MULTIPLY, t, t);
}

/* Sums and products of narrow whole numbers widen. */
static enum wr_dtype reduced_dtype(enum wr_op op, enum wr_dtype t) {
  if (op == WR_OP_MAX || op == WR_OP_MIN) return t;
  const bool narrow = t == WR_BOOL || (wr_dtype_is_integer(t) && wr_dtype_size(t) < 4);
  if (!narrow) return t;
  return wr_dtype_is_unsigned(t) && t != WR_BOOL ? WR_UINT32 : WR_INT32;
}

static void want_reductions(enum wr_dtype t) {
  enum wr_dtype wide = reduced_dtype(WR_OP_SUM, t);
  want(WR_SOURCE_REDUCE, WR_OP_SUM, t, wide);
  want(WR_SOURCE_REDUCE, WR_OP_PROD, t, wide);
  want(WR_SOURCE_REDUCE, WR_OP_MAX, t, t);
  want(WR_SOURCE_REDUCE, WR_OP_MIN, t, t);
  if (wr_op_takes(WR_OP_VARIANCE, t)) {
    want(WR_SOURCE_VARIANCE, WR_OP_VARIANCE, t, wr_dtype_is_floating(t) ? t : WR_FLOAT32);
  }
  want(WR_SOURCE_ARG_REDUCE, WR_OP_ARGMAX, t, WR_UINT32);
  want(WR_SOURCE_ARG_REDUCE, WR_OP_ARGMIN, t, WR_UINT32);
  for (int i = 0; i < 5; i++) {
    static const enum wr_op by[] = {WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM, WR_OP_MINIMUM,
                                    WR_OP_LOGADDEXP};
    if (wr_gpu_scans_logs(by[i], t)) {
      want(WR_SOURCE_LOG_SCAN, by[i], t, t);
    } else if (wr_op_takes(by[i], t) && (i == 0 || is_alone(i, t))) {
      want(WR_SOURCE_SCAN, by[i], t, t);
    }
  }
  want(WR_SOURCE_SORT, WR_OP_SORT, t, t);
  want(WR_SOURCE_SORT, WR_OP_ARGSORT, t, WR_UINT32);
  want(WR_SOURCE_SELECT, WR_OP_PARTITION, t, t);
  if (wr_gpu_matmul_has(t)) want(WR_SOURCE_SOFTMAX, WR_OP_SOFTMAX, t, t);
  if (wr_op_takes(WR_OP_ROW_NORM, t)) want(WR_SOURCE_ROW_NORM, WR_OP_ROW_NORM, t, t);
}

/* Each way of joining with each type, and each type of index with all sizes of elements. */
static void want_by_index(enum wr_dtype t) {
  static const enum wr_op by[] = {WR_OP_COPY, WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM,
                                  WR_OP_MINIMUM};
  for (int i = 0; i < 5; i++) {
    want(WR_SOURCE_SCATTER, by[i], t, i % 2 ? WR_INT32 : WR_UINT64);
    if (i > 0) want(WR_SOURCE_UPDATE, by[i], t, t);
  }
  for (int index = WR_BOOL; index <= WR_INT64; index++) {
    if (wr_dtype_size(t) == 4) want(WR_SOURCE_SCATTER, WR_OP_ADD, t, (enum wr_dtype)index);
    if (t >= WR_UINT8 && t <= WR_UINT64) {
      want(WR_SOURCE_GATHER, WR_OP_GATHER, t, (enum wr_dtype)index);
    }
  }
}

/* Each shape of tiles, and of the sums of each type those that the shape has; by packs and not. */
static void want_convolutions(void) {
  static const enum wr_dtype types[] = {WR_FLOAT16, WR_BFLOAT16, WR_FLOAT32, WR_FLOAT64};
  enum { LARGE, NARROW, SMALL, SLIM, SHAPES, SINGLE = 4, BY_TF32 = 8, TABLE = 16, ALONE = 32 };
  for (int i = 0; i < 4; i++) {
    const int before = n_wanted;
    const bool by_groups = i < 2;
    want(WR_SOURCE_CONV, WR_OP_CONV, types[i], types[i]);
    for (int variant = 0; variant < 2 * ALONE; variant++) {
      const int shape = variant % SHAPES;
      const bool by_tf32 = variant & BY_TF32;
      if (variant & SINGLE && variant & TABLE) continue;
      if (by_tf32 && types[i] != WR_FLOAT32) continue;
      if (shape == LARGE && !by_groups) continue;
      if (variant & ALONE && shape != LARGE) continue;
      if (shape == NARROW && types[i] == WR_FLOAT64) continue;
      const int at = n_wanted;
      want(WR_SOURCE_CONV_TILES, WR_OP_CONV, types[i], types[i]);
      if (n_wanted > at) wanted[at].variant = (uint8_t)variant;
    }
    for (int k = before; k < n_wanted; k++) wanted[k].big = k % 3 == 0;
  }
}

static void want_all(void) {
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    enum wr_dtype t = (enum wr_dtype)i;
    want_elementwise(t);
    want_reductions(t);
    want_by_index(t);
    if (wr_dtype_is_floating(t)) want_quantized(t);
    if (t == WR_FLOAT16 || t == WR_BFLOAT16) want_attention(t);
    if (t < WR_UINT8 || t > WR_UINT64) continue;
    want(WR_SOURCE_WHERE, WR_OP_WHERE, t, t);
    want(WR_SOURCE_COPY, WR_OP_COPY, t, t);
    want(WR_SOURCE_JOIN, WR_OP_CONCATENATE, t, t);
  }
  want(WR_SOURCE_REDUCE, WR_OP_ALL, WR_BOOL, WR_BOOL);
  want(WR_SOURCE_REDUCE, WR_OP_ANY, WR_BOOL, WR_BOOL);
  want(WR_SOURCE_SPLIT, WR_OP_MATMUL, WR_FLOAT32, WR_FLOAT32);
  want(WR_SOURCE_EXCHANGE, WR_OP_COPY, WR_UINT8, WR_UINT8);
  want(WR_SOURCE_HADAMARD, WR_OP_HADAMARD, WR_FLOAT32, WR_FLOAT32);
  want(WR_SOURCE_HADAMARD, WR_OP_HADAMARD, WR_FLOAT64, WR_FLOAT64);
  want_convolutions();
  want_wide_attention();
  want(WR_SOURCE_FFT, WR_OP_FFT, WR_FLOAT32, WR_FLOAT32);
  for (int i = 0; i < 2; i++) {
    const enum wr_dtype t = i ? WR_FLOAT64 : WR_FLOAT32;
    want(WR_SOURCE_LINALG, WR_OP_INV, t, t);
    want(WR_SOURCE_LINALG_FACTORS, WR_OP_INV, t, t);
  }
  want(WR_SOURCE_RANDOM, WR_OP_RANDOM_BITS, WR_UINT32, WR_UINT32);
}

/* ---- groups ---- */

struct group_case {
  struct wr_tensor in[3]; /* two of the dtype, one bool */
  struct wr_group_step steps[WR_GROUP_LONG];
  int n_steps;
  int last; /* the last value of the inputs' dtype, so that the steps make a chain */
};

/* 0 when the operation is no part of a group of this dtype. */
static int operands_of(enum wr_op op, enum wr_dtype t) {
  wr_gpu_kernel kernel = wr_gpu_kernel_for(op);
  if (kernel == wr_gpu_unary) return wr_op_takes(op, t) ? 1 : 0;
  if (kernel == wr_gpu_binary) return wr_op_takes(op, t) ? 2 : 0;
  return kernel == wr_gpu_where ? 3 : 0;
}

static void compile_form(const struct wr_group_form *form) {
  static char text[WR_GROUP_TEXT];
  static int n_forms;
  if (!all && form->way != WR_GROUP_EACH && n_forms++ % SHARE != 0) return;
  void *image;
  size_t bytes;
  wr_group_source(form, text);
  struct wr_error *error = wr_jit_compile_group(text, wr_group_module(form), ARCH, &image, &bytes);
  n_groups++;
  if (!error) {
    wr_free(image);
    return;
  }
  fprintf(stderr, "a group, way %d: %s\n", (int)form->way, wr_error_message(error));
  wr_fetch_add_relaxed(&failures, 1u);
  wr_error_release(error);
}

static void compile_group(struct group_case *c, enum wr_dtype t) {
  if (c->n_steps == 0) return;
  const struct wr_group group = {.n_in = 3, .n_steps = c->n_steps, .in = c->in, .steps = c->steps};
  compile_form(&(struct wr_group_form){.group = &group, .big = t % 4 == 0});
  compile_form(&(struct wr_group_form){.group = &group, .big = t % 3 == 0, .packed = true});
  c->n_steps = 0;
  c->last = 0;
}

static void add_step(struct group_case *c, enum wr_op op, enum wr_dtype t, enum wr_dtype to,
                     int n_in) {
  struct wr_group_step step = {.op = (uint16_t)op, .dtype = (uint8_t)to, .n_in = (uint8_t)n_in};
  const uint8_t value = (uint8_t)c->last;
  if (n_in == 3) {
    memcpy(step.in, (const uint8_t[]){2, value, 1}, sizeof step.in);
  } else {
    memcpy(step.in, (const uint8_t[]){value, 1, 0}, sizeof step.in);
  }
  c->steps[c->n_steps++] = step;
  if (to == t) c->last = 2 + c->n_steps;
  if (c->n_steps == WR_GROUP_LONG) compile_group(c, t);
}

/* One operation and what ends the group, in each way of going over rows. The inputs are one of the
   dtype and one of twice its size or half, so that packs of the two differ. */
static void compile_ended(enum wr_op end, enum wr_dtype t, enum wr_dtype result,
                          enum wr_group_way first, enum wr_group_way last) {
  const struct wr_tensor in[] = {{.dtype = t}, {.dtype = t == WR_FLOAT64 ? WR_FLOAT32 : WR_INT64}};
  const struct wr_group_step steps[] = {
      {.op = WR_OP_ASTYPE, .dtype = (uint8_t)t, .n_in = 1, .in = {1}},
      {.op = WR_OP_EQUAL, .dtype = WR_BOOL, .n_in = 2, .in = {0, 2}},
      {.op = WR_OP_WHERE, .dtype = (uint8_t)t, .n_in = 3, .in = {3, 2, 0}},
      {.op = (uint16_t)end, .dtype = (uint8_t)result, .n_in = 1, .in = {4}}};
  const struct wr_group group = {.n_in = 2, .n_steps = 4, .in = in, .steps = steps};
  for (int way = (int)first; way <= (int)last; way++) {
    for (int packed = 0; packed < 2; packed++) {
      compile_form(&(struct wr_group_form){.group = &group,
                                           .way = (enum wr_group_way)way,
                                           .packed = packed,
                                           .scalars = packed ? (uint8_t)(way % 3) : 0,
                                           .big = (way + packed) % 3 == 0});
    }
  }
}

static void compile_ends(enum wr_dtype t) {
  static const enum wr_op reductions[] = {WR_OP_SUM, WR_OP_PROD, WR_OP_MAX, WR_OP_MIN};
  if (t == WR_BOOL) {
    compile_ended(WR_OP_ALL, t, t, WR_GROUP_ROWS_BY_PACKS, WR_GROUP_SHORT_ROWS);
    compile_ended(WR_OP_ANY, t, t, WR_GROUP_ROWS_BY_PACKS, WR_GROUP_SHORT_ROWS);
  }
  /* What goes over rows is the same for all of them. */
  for (size_t i = 0; i < sizeof reductions / sizeof reductions[0]; i++) {
    compile_ended(reductions[i], t, reduced_dtype(reductions[i], t), WR_GROUP_ROWS_BY_PACKS,
                  i == 0 ? WR_GROUP_SHORT_ROWS : WR_GROUP_ROWS_BY_PACKS);
  }
  if (wr_gpu_matmul_has(t)) {
    compile_ended(WR_OP_SOFTMAX, t, t, WR_GROUP_SOFTMAX_1, WR_GROUP_SOFTMAX_4);
  }
}

/* Every operation that has a body and every cast, in groups as long as they may be. */
static void compile_groups(enum wr_dtype t) {
  struct group_case c = {.in = {{.dtype = t}, {.dtype = t}, {.dtype = WR_BOOL}}};
  for (int op = 0; op < WR_OP_COUNT; op++) {
    const int n = operands_of((enum wr_op)op, t);
    if (n == 1) add_step(&c, (enum wr_op)op, t, unary_result((enum wr_op)op, t), 1);
    if (n == 2) add_step(&c, (enum wr_op)op, t, binary_result((enum wr_op)op, t), 2);
    if (n == 3) add_step(&c, (enum wr_op)op, t, t, 3);
  }
  compile_group(&c, t);
  for (int to = 0; to < WR_DTYPE_COUNT; to++) {
    if (to != (int)t) add_step(&c, WR_OP_ASTYPE, t, (enum wr_dtype)to, 1);
  }
  compile_group(&c, t);
}

/* By tiles: a turned input of the dtype, one of bool, both, with and without one that is a value.
 */
static void compile_turned(enum wr_dtype t) {
  const struct wr_tensor in[] = {{.dtype = WR_BOOL}, {.dtype = t}, {.dtype = t}};
  const struct wr_group_step steps[] = {
      {.op = WR_OP_WHERE, .dtype = (uint8_t)t, .n_in = 3, .in = {0, 1, 2}},
      {.op = WR_OP_EQUAL, .dtype = WR_BOOL, .n_in = 2, .in = {3, 1}}};
  for (int turned = 1; turned < 4; turned++) {
    const struct wr_group group = {.n_in = 3, .n_steps = 1 + turned % 2, .in = in, .steps = steps};
    compile_form(&(struct wr_group_form){.group = &group,
                                         .big = (turned + (int)t) % 3 == 0,
                                         .turned = (uint8_t)turned,
                                         .values = (uint8_t)(turned == 2 ? 4 : 0)});
  }
}

/* Random bits that are drawn in a group, in each way that keys and single values come, of which a
   share is tried with each dtype. The inputs are two keys, an array and a single value. */
static void compile_draws(enum wr_dtype t) {
  const struct wr_tensor in[] = {
      {.dtype = WR_UINT32}, {.dtype = t}, {.dtype = t}, {.dtype = WR_UINT32}};
  const struct wr_group_step steps[] = {
      {.op = WR_OP_RANDOM_BITS, .dtype = WR_UINT32, .n_in = 1, .in = {0}},
      {.op = WR_OP_RANDOM_BITS, .dtype = WR_UINT32, .n_in = 1, .in = {3}},
      {.op = WR_OP_BITWISE_XOR, .dtype = WR_UINT32, .n_in = 2, .in = {4, 5}},
      {.op = WR_OP_ASTYPE, .dtype = (uint8_t)t, .n_in = 1, .in = {6}},
      {.op = WR_OP_EQUAL, .dtype = WR_BOOL, .n_in = 2, .in = {7, 1}},
      {.op = WR_OP_WHERE, .dtype = (uint8_t)t, .n_in = 3, .in = {8, 7, 2}}};
  const struct wr_group group = {.n_in = 4, .n_steps = 6, .in = in, .steps = steps};
  for (int values = 0; values < 16; values += 3) {
    if (!all && (values / 3 + (int)t) % 3 != 0) continue;
    compile_form(&(struct wr_group_form){
        .group = &group, .big = values % 2 == 1, .values = (uint8_t)values});
  }
}

static void compile(struct wr_module_id id, int arch) {
  void *image;
  size_t bytes;
  struct wr_error *error = wr_jit_compile(id, arch, &image, &bytes);
  if (!error) {
    wr_free(image);
    return;
  }
  if (wr_fetch_add_relaxed(&failures, 1u) < 5) fprintf(stderr, "%s\n", wr_error_message(error));
  wr_error_release(error);
}

/* Of the others some are asked for from 8.0 or 9.0 on alone. */
static bool is_for_all_gpus(const char *file) {
  static const char *const others[] = {"attention", "conv", "quantized"};
  for (int i = 0; i < 3; i++) {
    if (!strncmp(file, others[i], strlen(others[i]))) return false;
  }
  return true;
}

static bool is_first_of_source(uint32_t i) {
  for (uint32_t k = 0; k < i; k++) {
    if (wanted[k].source == wanted[i].source) return false;
  }
  return is_for_all_gpus(files[wanted[i].source]);
}

static void *compile_some(void *arg) {
  for (;;) {
    uint32_t i = wr_fetch_add_relaxed(&next_wanted, 1u);
    if (i >= (uint32_t)n_wanted) return arg;
    compile(wanted[i], ARCH);
    if (is_first_of_source(i)) compile(wanted[i], LEAST_ARCH);
  }
}

/* A grid may have 2^30 blocks: a product with the threads of one, both of 32 bits, would wrap
   around to a step of 0, with which a loop has no end. */
static int narrow_products(const char *file, const char *text) {
  static const char *const products[] = {"blockIdx.x * blockDim", "gridDim.x * blockDim"};
  int found = 0;
  for (int i = 0; i < 2; i++) {
    for (const char *at = text; (at = strstr(at, products[i])); at++) {
      if (at > text && at[-1] == ')') continue;
      fprintf(stderr, "%s: %.60s\n", file, at);
      found++;
    }
  }
  return found;
}

static int all_narrow_products(void) {
  int found = 0;
  for (int i = 0; i < wr_kernel_header_count; i++) {
    found += narrow_products(wr_kernel_header_names[i], wr_kernel_header_texts[i]);
  }
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    found += narrow_products(files[i], wr_kernel_source(files[i]));
  }
  return found;
}

int main(int argc, char **argv) {
  if (all_narrow_products() > 0) return 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 77; /* the compiler library is not ours to check */
#endif
  struct wr_absence why;
  if (!wr_cuda_nvrtc(&why)) {
    fprintf(stderr, "skipped: %s\n", why.reason);
    return 77;
  }
  only = argv + 1;
  n_only = argc - 1;
  all = n_only > 0 || getenv("WEIR_TEST_FULL");
  want_all();
  if (!all) leave_a_share();
  pthread_t threads[THREADS];
  int started = 0;
  while (started < THREADS && !pthread_create(&threads[started], NULL, compile_some, NULL)) {
    started++;
  }
  bool groups = n_only == 0;
  for (int i = 0; i < n_only; i++) groups = groups || !strcmp(only[i], "group");
  for (int i = 0; groups && i < WR_DTYPE_COUNT; i++) {
    compile_groups((enum wr_dtype)i);
    compile_ends((enum wr_dtype)i);
    compile_turned((enum wr_dtype)i);
    compile_draws((enum wr_dtype)i);
  }
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  uint32_t failed = wr_load_relaxed(&failures);
  printf("%d kernels compiled, %u failed\n", n_wanted + n_groups - (int)failed, failed);
  return failed != 0 || started == 0;
}
