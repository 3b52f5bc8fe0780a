/* A program in bytes, which libFuzzer makes up: it makes arrays and calls the functions in
   calls.def, with shapes, axes, strides, handles and subscripts that the bytes say. Whatever they
   are, a call succeeds with an array that can be read, or fails with a message that names the
   operation, a call of the handler and a result left alone; nothing is lost, and memory stays
   small. Sanitizers see to the rest. Functions go by a hash of their names, so that a corpus keeps
   its meaning when some are added. Arrays with many elements are recorded and never computed.

   Built with libFuzzer by the preset fuzz; elsewhere with guided_corpus.c, which runs the corpus.
 */

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "mean_cpu.h"
#include "weir/error.h"

enum {
  POOL = 8,
  CALLS = 64,
  LIST = 6,
  OPERANDS = 4,
  TEXT = 48,
  LISTS = 8,       /* of one call; a convolution has five */
  VECTORS = 3,     /* of one call */
  COMPUTED = 4096, /* elements of a result that is computed at most, */
  KEPT = 256       /* and of one that others are made of */
};

/* As CHECK, by an abort, which libFuzzer notices. */
static const char *calling = "";
static bool trace; /* WEIR_FUZZ_TRACE: each call is printed before it is made */

static void broken(int line, const char *what) {
  fprintf(stderr, "line %d, %s: not true: %s; last error %s\n", line, calling, what,
          weir_last_error());
  abort();
}

#define HOLDS(cond) ((cond) ? (void)0 : broken(__LINE__, #cond))

static const size_t MEMORY = (size_t)256 << 20;

/* ---- what the bytes say ---- */

struct bytes {
  const uint8_t *at, *end;
};

static uint8_t next(struct bytes *in) { return in->at < in->end ? *in->at++ : 0; }

static uint32_t next_word(struct bytes *in) {
  uint32_t high = next(in);
  return high << 8 | next(in);
}

enum role { AXIS, EXTENT, NUMBER };

static const int far[] = {INT_MAX, INT_MIN, INT_MIN + 1, -1,    -2,      31,         32,    33,
                          64,      255,     256,         65536, 1 << 30, -(1 << 30), 46341, 1000};

static int draw_int(struct bytes *in, enum role role) {
  uint8_t v = next(in);
  if (v >= 0xe0) return far[v % 16];
  return role == AXIS ? v % 8 - 4 : role == EXTENT ? v % 9 : v % 17 - 8;
}

static double draw_real(struct bytes *in) {
  static const double special[] = {NAN,   INFINITY, -INFINITY, -0.0,    1e300,        -1e300,
                                   1e-45, 65520,    9.3e18,    -9.3e18, 4294967296.0, 2147483648.0,
                                   0.1,   1e-5,     1e10,      3e38};
  uint8_t v = next(in);
  return v >= 0xe0 ? special[v % 16] : (v % 32 - 8) / 2.0;
}

/* ---- the arrays and streams of one run ---- */

static mlx_array pool[POOL];
static mlx_stream streams[3]; /* the first is the default one */
static int last_shape[32], last_ndim;
static unsigned handled; /* calls of the error handler */

static void handler(const char *message, void *data) {
  (void)data;
  HOLDS(message && *message);
  handled++;
}

/* What a call is given and gives. Lists lie in blocks of just their size. */
struct results {
  mlx_array array[2];
  mlx_vector_array vector;
  mlx_string string;
  mlx_vector_array vectors[VECTORS];
  void *lists[LISTS];
  int vector_count, list_count;
  size_t list_num;
  char text[TEXT];
};

static mlx_array draw_array(struct bytes *in) {
  uint8_t v = next(in);
  mlx_array a = v == 0xff ? (mlx_array){NULL} : pool[v % POOL];
  if (!a.ctx) return a;
  last_ndim = (int)mlx_array_ndim(a);
  for (int i = 0; i < last_ndim; i++) last_shape[i] = mlx_array_dim(a, i);
  return a;
}

static mlx_vector_array draw_vector(struct bytes *in, struct results *out) {
  uint8_t count = next(in);
  if (count == 0xff) return (mlx_vector_array){NULL};
  HOLDS(out->vector_count < VECTORS);
  mlx_vector_array v = mlx_vector_array_new();
  out->vectors[out->vector_count++] = v;
  for (int i = 0; i < count % (OPERANDS + 1); i++) {
    mlx_array a = pool[next(in) % POOL];
    if (a.ctx) HOLDS(mlx_vector_array_append_value(v, a) == 0);
  }
  return v;
}

/* Its length: any, that of the last list, or with or without the extents, that of the last shape.
 */
static size_t list_length(struct bytes *in, struct results *out, bool *shape) {
  uint8_t v = next(in);
  *shape = v % 4 == 1;
  size_t n = v % 4 == 0 ? v / 4 % (LIST + 1) : v % 4 == 3 ? out->list_num : (size_t)last_ndim;
  return out->list_num = n;
}

static void *new_list(struct results *out, size_t bytes) {
  void *list = malloc(bytes ? bytes : 1);
  HOLDS(list != NULL && out->list_count < LISTS);
  return out->lists[out->list_count++] = list;
}

struct ints {
  int *at;
  size_t num;
};

static struct ints draw_ints(struct bytes *in, struct results *out, enum role role) {
  bool shape;
  size_t n = list_length(in, out, &shape);
  struct ints ints = {new_list(out, n * sizeof(int)), n};
  for (size_t i = 0; i < n; i++) {
    ints.at[i] = shape && i < (size_t)last_ndim ? last_shape[i] : draw_int(in, role);
  }
  return ints;
}

struct strides {
  int64_t *at;
  size_t num;
};

static struct strides draw_strides(struct bytes *in, struct results *out) {
  bool shape;
  size_t n = list_length(in, out, &shape);
  struct strides strides = {new_list(out, n * sizeof(int64_t)), n};
  for (size_t i = 0; i < n; i++) {
    int64_t v = draw_int(in, NUMBER);
    strides.at[i] = v == 64 ? INT64_MAX : v == 255 ? INT64_MIN : v == 1000 ? INT64_C(1) << 62 : v;
  }
  return strides;
}

static void append(char *text, const char *piece) {
  size_t n = strlen(text), m = strlen(piece);
  if (n + m < TEXT) memcpy(text + n, piece, m + 1);
}

enum text_role { SUBSCRIPTS, WORD };

static const char *draw_text(struct bytes *in, struct results *out, enum text_role role) {
  static const char *const words[] = {"constant", "edge",  "ij",     "xy",     "",
                                      "wrap",     "Edge",  "i",      "affine", "mxfp4",
                                      "mxfp8",    "nvfp4", "causal", "array"};
  static const char *const pieces[] = {"i", "j", "k", "l", "i", "j", ",", ",",    "->", "...",
                                       "a", "A", " ", ".", "-", ">", "1", "\xc3", "%s", "z"};
  if (role == WORD) return words[next(in) % (sizeof words / sizeof words[0])];
  for (uint8_t v = next(in); v % 24 < 20; v = next(in)) {
    append(out->text, pieces[v % 24]);
    if (in->at == in->end) break;
  }
  return out->text;
}

/* ---- the functions ---- */

#define ARRAY(name) mlx_array name = draw_array(in);
#define VECTOR(name) mlx_vector_array name = draw_vector(in, out);
#define STREAM(name) mlx_stream name = streams[next(in) % 3];
#define INTS(name, role) struct ints name = draw_ints(in, out, role);
#define STRIDES(name, role) struct strides name = draw_strides(in, out);
#define INT(name, role) int name = draw_int(in, role);
#define COUNT(name) size_t name = (size_t)draw_int(in, NUMBER);
#define WIDE(name) uint64_t name = (uint64_t)next_word(in) << 48 | next_word(in);
#define FLAG(name) bool name = next(in) & 1;
#define REAL(name) double name = draw_real(in);
#define OPTIONAL_REAL(name)                                     \
  mlx_optional_float name = {.has_value = (next(in) & 1) != 0}; \
  if (name.has_value) name.value = (float)draw_real(in);
#define OPTIONAL_INT(name)                                    \
  mlx_optional_int name = {.has_value = (next(in) & 1) != 0}; \
  if (name.has_value) name.value = draw_int(in, EXTENT);
#define OPTIONAL_DTYPE(name)                                    \
  mlx_optional_dtype name = {.has_value = (next(in) & 1) != 0}; \
  if (name.has_value) name.value = (mlx_dtype)(next(in) % 15);
#define DTYPE(name) mlx_dtype name = (mlx_dtype)(next(in) % 15);
#define TEXT(name, role) const char *name = draw_text(in, out, role);

#define CALL(name, draws, call)                                   \
  static int call_##name(struct bytes *in, struct results *out) { \
    (void)in, (void)out;                                          \
    draws return call;                                            \
  }
#include "calls.def"
#undef CALL

struct function {
  const char *name;
  int (*call)(struct bytes *, struct results *);
  uint32_t hash;
};

#define CALL(name, draws, call) {#name, call_##name, 0},
static struct function functions[] = {
#include "calls.def"
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

static uint32_t hash_of(const char *name) {
  uint32_t h = 2166136261u;
  for (; *name; name++) h = (h ^ (uint8_t)*name) * 16777619u;
  return (h ^ h >> 16) & 0xffff;
}

static int by_hash(const void *a, const void *b) {
  const struct function *x = a, *y = b;
  return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : strcmp(x->name, y->name);
}

/* The first whose hash is as large, in a circle. */
static const struct function *function_at(uint32_t hash) {
  size_t low = 0, high = FUNCTIONS;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (functions[middle].hash < hash)
      low = middle + 1;
    else
      high = middle;
  }
  return &functions[low % FUNCTIONS];
}

/* ---- what holds after a call ---- */

static void read_all(mlx_array a) {
  mlx_array dense = mlx_array_new();
  HOLDS(mlx_contiguous(&dense, a, false, streams[0]) == 0);
  unsigned before = handled;
  if (mlx_array_eval(dense) == 0) {
    const uint8_t *data = mlx_array_data_uint8(dense);
    HOLDS(data != NULL || mlx_array_size(dense) == 0);
    uint8_t *copy = malloc(mlx_array_nbytes(dense) + 1);
    HOLDS(copy != NULL);
    if (data) memcpy(copy, data, mlx_array_nbytes(dense));
    free(copy);
  } else {
    HOLDS(handled == before + 1);
  }
  mlx_array_free(dense);
}

static size_t size_of(mlx_array a) {
  size_t size = 1;
  for (size_t i = 0; i < mlx_array_ndim(a); i++) {
    int n = mlx_array_dim(a, (int)i);
    HOLDS(n >= 0);
    size *= (size_t)n;
  }
  HOLDS(size == mlx_array_size(a));
  HOLDS(size * mlx_dtype_size(mlx_array_dtype(a)) == mlx_array_nbytes(a));
  return size;
}

/* Takes over what a call has given: into the pool where it is small. */
static void take(struct bytes *in, mlx_array a) {
  uint8_t how = next(in);
  size_t size = size_of(a);
  if (size <= COMPUTED && how < 0x80) read_all(a);
  if (size <= KEPT && mlx_array_ndim(a) <= 8) {
    HOLDS(mlx_array_set(&pool[how % POOL], a) == 0);
  }
}

static void take_all(struct bytes *in, mlx_vector_array v) {
  mlx_array a = mlx_array_new();
  for (size_t i = 0; i < mlx_vector_array_size(v); i++) {
    HOLDS(mlx_vector_array_get(&a, v, i) == 0);
    take(in, a);
  }
  mlx_array_free(a);
}

/* "[operation] words"; those of items have no operation, and MLX's other names are its own. */
static bool in_words(const char *message, const char *function) {
  const char *end = strstr(message, "] ");
  if (!strncmp(function, "mlx_array_item_", 15)) return message[0] != '\0';
  return message[0] == '[' && end && end > message + 1 && end[2] != '\0';
}

static void forget(struct results *out) {
  for (int i = 0; i < 2; i++) mlx_array_free(out->array[i]);
  for (int i = 0; i < out->vector_count; i++) mlx_vector_array_free(out->vectors[i]);
  for (int i = 0; i < out->list_count; i++) free(out->lists[i]);
  mlx_vector_array_free(out->vector);
  mlx_string_free(out->string);
}

static void call_one(struct bytes *in) {
  struct results out = {.list_num = 0};
  mlx_array before = mlx_array_new_float(7);
  HOLDS(mlx_array_set(&out.array[0], before) == 0);
  const void *handle = out.array[0].ctx;
  unsigned told = handled;
  const struct function *f = function_at(next_word(in));
  calling = f->name;
  if (trace) fprintf(stderr, "%s\n", calling);
  int rc = f->call(in, &out);
  HOLDS(rc == 0 || rc == 1);
  if (rc == 1) {
    HOLDS(handled == told + 1 && in_words(weir_last_error(), f->name));
    HOLDS(out.array[0].ctx == handle && out.array[1].ctx == NULL && out.vector.ctx == NULL);
  } else {
    HOLDS(handled == told);
    HOLDS(out.array[0].ctx != NULL);
    take(in, out.array[0]);
    if (out.array[1].ctx) take(in, out.array[1]);
    if (out.vector.ctx) take_all(in, out.vector);
  }
  mlx_array_free(before);
  forget(&out);
}

/* ---- a run ---- */

/* Elements as the bytes say, or values that fit in no integer. */
static void make_array(struct bytes *in) {
  static const int extents[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64};
  int shape[4], ndim = next(in) % 5, slot = next(in) % POOL;
  mlx_dtype dtype = (mlx_dtype)(next(in) % 14);
  size_t size = 1;
  for (int i = 0; i < ndim; i++) {
    shape[i] = extents[next(in) % 12];
    if (size * (size_t)shape[i] > KEPT) shape[i] = 1;
    size *= (size_t)shape[i];
  }
  mlx_array a = mlx_array_new();
  double values[KEPT];
  if (next(in) & 1) {
    for (size_t i = 0; i < size; i++) values[i] = draw_real(in);
    mlx_array wide = mlx_array_new_data(values, shape, ndim, MLX_FLOAT64);
    HOLDS(mlx_astype(&a, wide, dtype, streams[0]) == 0);
    mlx_array_free(wide);
  } else {
    size_t bytes = size * mlx_dtype_size(dtype);
    uint8_t *data = malloc(bytes + !bytes);
    for (size_t i = 0; i < bytes; i++) data[i] = dtype == MLX_BOOL ? next(in) & 1 : next(in);
    HOLDS(mlx_array_set_data(&a, data, shape, ndim, dtype) == 0);
    free(data);
  }
  HOLDS(mlx_array_set(&pool[slot], a) == 0);
  mlx_array_free(a);
}

static void first_arrays(void) {
  static const struct {
    mlx_dtype dtype;
    int ndim, shape[3];
  } kinds[POOL] = {{MLX_FLOAT32, 2, {3, 4}},  {MLX_INT32, 1, {3}},     {MLX_FLOAT32, 0, {0}},
                   {MLX_BOOL, 2, {3, 4}},     {MLX_COMPLEX64, 1, {4}}, {MLX_UINT8, 3, {2, 3, 4}},
                   {MLX_FLOAT32, 2, {2, 64}}, {MLX_INT64, 2, {0, 3}}};
  uint8_t data[512];
  for (int i = 0; i < 512; i++) data[i] = i % 4 == 0 ? i / 4 % 2 : 0;
  for (int i = 0; i < POOL; i++) {
    pool[i] = mlx_array_new_data(data, kinds[i].shape, kinds[i].ndim, kinds[i].dtype);
    HOLDS(pool[i].ctx != NULL);
  }
}

static void begin(void) {
  mean_cpu();
  trace = getenv("WEIR_FUZZ_TRACE") != NULL;
  mlx_set_error_handler(handler, NULL, NULL);
  for (int i = 0; i < FUNCTIONS; i++) functions[i].hash = hash_of(functions[i].name);
  qsort(functions, FUNCTIONS, sizeof functions[0], by_hash);
}

static void finish(void) {
  size_t active, peak;
  for (int i = 0; i < POOL; i++) {
    mlx_array_free(pool[i]);
    pool[i] = (mlx_array){NULL};
  }
  for (int i = 1; i < 3; i++) {
    HOLDS(mlx_synchronize(streams[i]) == 0);
    mlx_stream_free(streams[i]);
  }
  HOLDS(mlx_get_active_memory(&active) == 0 && mlx_get_peak_memory(&peak) == 0);
  HOLDS(active < MEMORY / 64 && peak < MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool begun;
  if (!begun) begin();
  begun = true;
  struct bytes in = {data, data + size};
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  for (int i = 1; i < 3; i++) streams[i] = mlx_stream_new_device(cpu);
  mlx_device_free(cpu);
  HOLDS(mlx_reset_peak_memory() == 0);
  first_arrays();
  for (int i = 0; i < CALLS && in.at < in.end; i++) {
    uint8_t what = next(&in);
    if (what % 16 == 0)
      make_array(&in);
    else if (what % 16 == 1)
      mlx_array_free(pool[what / 16 % POOL]), pool[what / 16 % POOL].ctx = NULL;
    else
      call_one(&in);
  }
  finish();
  return 0;
}
