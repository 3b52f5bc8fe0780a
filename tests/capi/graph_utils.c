/* Graphs as text: the very lines that MLX prints for the same arrays, but for the numbers of
   operations; that nothing is computed for it, also while others force the same arrays; several
   results of one command; what a transform records; names; deep graphs. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static mlx_stream cpu;

/* The text, with operations numbered as they come. */
static char *text_of(int (*write)(FILE *, mlx_node_namer, mlx_vector_array), mlx_node_namer namer,
                     const mlx_array *outputs, size_t n) {
  char *text = NULL;
  size_t bytes;
  FILE *os = open_memstream(&text, &bytes);
  mlx_vector_array v = mlx_vector_array_new_data(outputs, n);
  CHECK(os && write(os, namer, v) == 0 && fclose(os) == 0);
  mlx_vector_array_free(v);
  return text;
}

static int print(FILE *os, mlx_node_namer namer, mlx_vector_array v) {
  return mlx_print_graph(os, namer, v);
}

static int dot(FILE *os, mlx_node_namer namer, mlx_vector_array v) {
  return mlx_export_to_dot(os, namer, v);
}

static void expect(char *text, const char *wanted) {
  if (strcmp(text, wanted) != 0) fprintf(stderr, "%s\n---- not ----\n%s\n", text, wanted);
  CHECK(strcmp(text, wanted) == 0);
  free(text);
}

/* Replaces each number by 1, 2, ... in the order in which they first come. */
static char *numbered(char *text) {
  char *out = malloc(strlen(text) + 1), *to = out;
  unsigned long long known[32];
  int n = 0;
  for (const char *at = text; *at;) {
    char *end;
    if (*at < '0' || *at > '9') {
      *to++ = *at++;
      continue;
    }
    const unsigned long long number = strtoull(at, &end, 10);
    int i = 0;
    while (i < n && known[i] != number) i++;
    if (i == n) known[n++] = number;
    to += sprintf(to, "%d", i + 1);
    at = end;
  }
  *to = '\0';
  free(text);
  return out;
}

static mlx_array constant(float value) {
  const float data[] = {value, value, value};
  const int shape[] = {3};
  return mlx_array_new_data(data, shape, 1, MLX_FLOAT32);
}

/* exp(a) * b + exp(a), and its negative. */
static void made(mlx_array out[2]) {
  mlx_array a = constant(1), b = constant(2), e = mlx_array_new();
  CHECK(mlx_exp(&e, a, cpu) == 0 && mlx_multiply(&out[0], e, b, cpu) == 0);
  CHECK(mlx_add(&out[0], out[0], e, cpu) == 0 && mlx_negative(&out[1], out[0], cpu) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(e);
}

static void as_mlx_prints(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_array out[] = {mlx_array_new(), mlx_array_new()};
  made(out);
  expect(text_of(print, namer, out, 2),
         "Inputs: A [(3), float32], B [(3), float32]\n"
         "Outputs: C [(3), float32], D [(3), float32]\n"
         "Exp A [(3), float32] -> E [(3), float32]\n"
         "Multiply E [(3), float32], B [(3), float32] -> F [(3), float32]\n"
         "Add F [(3), float32], E [(3), float32] -> C [(3), float32]\n"
         "Negative C [(3), float32] -> D [(3), float32]\n");
  /* It is computed by now, so it is an input. */
  CHECK(mlx_array_eval(out[1]) == 0 && mlx_array_data_float32(out[1])[0] < -8.1f);
  expect(text_of(print, namer, &out[1], 1),
         "Inputs: A [(3), float32]\nOutputs: A [(3), float32]\n");
  made(out);
  expect(numbered(text_of(dot, namer, &out[1], 1)),
         "digraph {\n"
         "{ rank=source; \"A\"; }\n"
         "{ 1 [label =\"Exp\", shape=rectangle]; }\n"
         "\"A\" -> 1\n"
         "{ \"B\"; }\n"
         "1 -> \"B\"\n"
         "{ rank=source; \"C\"; }\n"
         "{ 2 [label =\"Multiply\", shape=rectangle]; }\n"
         "\"B\" -> 2\n"
         "\"C\" -> 2\n"
         "{ \"D\"; }\n"
         "2 -> \"D\"\n"
         "{ 3 [label =\"Add\", shape=rectangle]; }\n"
         "\"D\" -> 3\n"
         "\"B\" -> 3\n"
         "{ \"E\"; }\n"
         "3 -> \"E\"\n"
         "{ 4 [label =\"Negative\", shape=rectangle]; }\n"
         "\"E\" -> 4\n"
         "{ rank=sink; \"F\"; }\n"
         "4 -> \"F\"\n"
         "}");
  for (int i = 0; i < 2; i++) mlx_array_free(out[i]);
  mlx_node_namer_free(namer);
}

/* Nothing is computed or queued, and the same is shown again. */
static void stays_lazy(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  weir_stream_stats_t before, after;
  mlx_array out[] = {mlx_array_new(), mlx_array_new()};
  bool is = true;
  made(out);
  CHECK(weir_stream_stats(&before, cpu) == 0);
  char *first = text_of(print, namer, out, 2);
  expect(text_of(print, namer, out, 2), first);
  CHECK(mlx_synchronize(cpu) == 0 && weir_stream_stats(&after, cpu) == 0);
  CHECK(after.done == before.done && after.queued == 0);
  CHECK(_mlx_array_is_available(&is, out[0]) == 0 && !is);
  CHECK(_mlx_array_is_available(&is, out[1]) == 0 && !is);
  CHECK(mlx_array_eval(out[1]) == 0 && mlx_array_data_float32(out[1])[0] < -8.1f);
  free(first);
  for (int i = 0; i < 2; i++) mlx_array_free(out[i]);
  mlx_node_namer_free(namer);
}

/* ---- beside others that force the same ---- */

enum { ROUNDS = 300, LINKS = 40 };

static pthread_barrier_t barrier;
static mlx_array chain[2]; /* its middle, and its end */

static void *forces(void *end) {
  for (int round = 0; round < ROUNDS; round++) {
    (void)pthread_barrier_wait(&barrier); /* it is there */
    CHECK(mlx_array_eval(chain[end != NULL]) == 0);
    (void)pthread_barrier_wait(&barrier); /* it may go */
  }
  return NULL;
}

static void beside_others(void) {
  pthread_t threads[2];
  mlx_node_namer namer = mlx_node_namer_new();
  CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, forces, i ? &barrier : NULL) == 0);
  }
  for (int round = 0; round < ROUNDS; round++) {
    mlx_array a = constant(1);
    for (int i = 0; i < 2; i++) chain[i] = mlx_array_new();
    CHECK(mlx_array_set(&chain[1], a) == 0);
    for (int i = 0; i < LINKS; i++) {
      CHECK(mlx_add(&chain[1], chain[1], a, cpu) == 0);
      if (i == LINKS / 2) CHECK(mlx_array_set(&chain[0], chain[1]) == 0);
    }
    (void)pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++) free(text_of(print, namer, &chain[1], 1));
    (void)pthread_barrier_wait(&barrier);
    CHECK(mlx_array_data_float32(chain[1])[2] == 1 + LINKS);
    for (int i = 0; i < 2; i++) mlx_array_free(chain[i]);
    mlx_array_free(a);
  }
  for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(pthread_barrier_destroy(&barrier) == 0);
  mlx_node_namer_free(namer);
}

/* One result is asked for, and both are shown. */
static void several_results(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  const float data[] = {2, 0, 0, 3};
  const int shape[] = {2, 2};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), q = mlx_array_new(),
            r = mlx_array_new();
  CHECK(mlx_linalg_qr(&q, &r, a, cpu) == 0);
  expect(text_of(print, namer, &r, 1),
         "Inputs: A [(2,2), float32]\n"
         "Outputs: B [(2,2), float32]\n"
         "QRF A [(2,2), float32] -> C [(2,2), float32], B [(2,2), float32]\n");
  CHECK(mlx_linalg_qr(&q, &r, a, cpu) == 0);
  const mlx_array both[] = {r, q};
  expect(numbered(text_of(dot, namer, both, 2)),
         "digraph {\n"
         "{ rank=source; \"A\"; }\n"
         "{ 1 [label =\"QRF\", shape=rectangle]; }\n"
         "\"A\" -> 1\n"
         "{ rank=sink; \"B\"; }\n"
         "1 -> \"B\"\n"
         "{ rank=sink; \"C\"; }\n"
         "1 -> \"C\"\n"
         "}");
  mlx_array_free(a);
  mlx_array_free(q);
  mlx_array_free(r);
  mlx_node_namer_free(namer);
}

static void names(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  const char *name = NULL;
  char wanted[8];
  mlx_array all[760];
  for (int i = 0; i < 760; i++) {
    all[i] = mlx_array_new_float((float)i);
    CHECK(mlx_node_namer_get_name(&name, namer, all[i]) == 0);
    if (i < 26) snprintf(wanted, sizeof wanted, "%c", 'A' + i);
    if (i >= 26 && i < 702) {
      snprintf(wanted, sizeof wanted, "%c%c", 'A' + i / 26 - 1, 'A' + i % 26);
    }
    if (i >= 702) snprintf(wanted, sizeof wanted, "AA%c", 'A' + (i - 702) % 26);
    CHECK(i >= 728 || !strcmp(name, wanted));
  }
  CHECK(mlx_node_namer_get_name(&name, namer, all[3]) == 0 && !strcmp(name, "D"));
  CHECK(mlx_node_namer_set_name(namer, all[3], "weights") == 0);
  CHECK(mlx_node_namer_get_name(&name, namer, all[3]) == 0 && !strcmp(name, "weights"));
  for (int i = 0; i < 760; i++) mlx_array_free(all[i]);
  mlx_node_namer_free(namer);
}

/* Its names are used; those that the text gives are not kept. */
static void named_graph(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  const char *name = NULL;
  mlx_array a = constant(1), e = mlx_array_new();
  CHECK(mlx_node_namer_set_name(namer, a, "x") == 0 && mlx_exp(&e, a, cpu) == 0);
  expect(text_of(print, namer, &e, 1),
         "Inputs: x [(3), float32]\nOutputs: B [(3), float32]\n"
         "Exp x [(3), float32] -> B [(3), float32]\n");
  CHECK(mlx_node_namer_set_name(namer, a, "a \"b\\\" \\n\\") == 0);
  CHECK(mlx_exp(&e, a, cpu) == 0);
  expect(numbered(text_of(dot, namer, &e, 1)),
         "digraph {\n"
         "{ rank=source; \"a \\\"b\\\\\\\" \\n\\\\\"; }\n"
         "{ 1 [label =\"Exp\", shape=rectangle]; }\n"
         "\"a \\\"b\\\\\\\" \\n\\\\\" -> 1\n"
         "{ rank=sink; \"B\"; }\n"
         "1 -> \"B\"\n"
         "}");
  mlx_array other = constant(2);
  CHECK(mlx_node_namer_get_name(&name, namer, other) == 0 && !strcmp(name, "B"));
  mlx_array_free(other);
  mlx_array_free(a);
  mlx_array_free(e);
  mlx_node_namer_free(namer);
}

/* Inside a transform nothing is computed. */
static int printed(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_array x = mlx_array_new(), y = mlx_array_new(), c = constant(3);
  bool is = true;
  CHECK(mlx_vector_array_get(&x, in, 0) == 0 && mlx_sin(&y, x, cpu) == 0);
  CHECK(mlx_multiply(&y, y, c, cpu) == 0);
  char *text = text_of(print, namer, &y, 1);
  CHECK(strstr(text, "Sin ") && strstr(text, "Multiply "));
  CHECK(_mlx_array_is_available(&is, y) == 0 && !is);
  free(text);
  CHECK(mlx_vector_array_set_value(res, y) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(c);
  return mlx_node_namer_free(namer);
}

static void inside_a_transform(void) {
  mlx_closure f = mlx_closure_new_func(printed);
  mlx_array x = constant(1);
  mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new(),
                   grads = mlx_vector_array_new();
  CHECK(mlx_vjp(&out, &grads, f, in, in) == 0);
  mlx_array_free(x);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_vector_array_free(grads);
  mlx_closure_free(f);
}

static void deep(void) {
  enum { DEPTH = 50000 };
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_array a = constant(1), b = mlx_array_new();
  CHECK(mlx_array_set(&b, a) == 0);
  for (int i = 0; i < DEPTH; i++) CHECK(mlx_negative(&b, b, cpu) == 0);
  char *text = text_of(print, namer, &b, 1);
  int lines = 0;
  for (const char *at = text; *at; at++) lines += *at == '\n';
  CHECK(lines == DEPTH + 2);
  free(text);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_node_namer_free(namer);
}

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

static void refused(void) {
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_array a = constant(1);
  mlx_vector_array v = mlx_vector_array_new_value(a);
  FILE *full = fopen("/dev/full", "w");
  CHECK(full && setvbuf(full, NULL, _IONBF, 0) == 0);
  CHECK(mlx_print_graph(full, namer, v) == 1 && strstr(weir_last_error(), "[print_graph] "));
  CHECK(mlx_export_to_dot(NULL, namer, v) == 1 && strstr(weir_last_error(), "os is NULL"));
  CHECK(fclose(full) == 0);
  mlx_vector_array_free(v);
  mlx_array_free(a);
  mlx_node_namer_free(namer);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  cpu = mlx_default_cpu_stream_new();
  as_mlx_prints();
  stays_lazy();
  beside_others();
  several_results();
  names();
  named_graph();
  inside_a_transform();
  deep();
  refused();
  mlx_stream_free(cpu);
  return 0;
}
