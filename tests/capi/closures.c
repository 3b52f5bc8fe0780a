/* K10. Closures: handles that share a function, payloads that end once, functions that fail with
   their own message, that free themselves, that call other closures, on any thread. */

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "bracket.h"
#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"
#include "weir/stream.h"

enum { THREADS = 16, TIMES = 200 };

static int reports;

static void hear(const char *message, void *n) {
  (void)message;
  ++*(int *)n;
}

/* The call fails, and what it says begins with a bracket and has the text in it, or begins with the
   text where that is of a closure that gave up. */
static bool says(int rc, const char *text) {
  bool told = reports > 0, gave_up = after_beginning(text, "mlx_closure");
  const char *message = weir_last_error(), *at = strstr(message, text);
  reports = 0;
  return rc == 1 && told && at && (gave_up ? at == message : message[0] == '[');
}

#define REFUSED(call, text) CHECK(says(call, text))

static float value_at(mlx_vector_array v, size_t i) {
  float f = -1;
  mlx_array a = mlx_array_new();
  CHECK(mlx_vector_array_get(&a, v, i) == 0 && mlx_array_item_float32(&f, a) == 0);
  mlx_array_free(a);
  return f;
}

static mlx_vector_array numbers(float a, float b) {
  mlx_array both[2] = {mlx_array_new_float(a), mlx_array_new_float(b)};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  for (int i = 0; i < 2; i++) mlx_array_free(both[i]);
  return v;
}

/* ---- functions ---- */

static int sum_and_difference(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array a = mlx_array_new(), b = mlx_array_new(), out[2] = {{NULL}, {NULL}};
  CHECK(!res->ctx);
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_vector_array_get(&b, in, 1) ||
           mlx_add(&out[0], a, b, (mlx_stream){0}) ||
           mlx_subtract(&out[1], a, b, (mlx_stream){0}) || mlx_vector_array_set_data(res, out, 2);
  mlx_array_free(a);
  mlx_array_free(b);
  for (int i = 0; i < 2; i++) mlx_array_free(out[i]);
  return rc;
}

static int scaled(mlx_vector_array *res, const mlx_vector_array in, void *factor) {
  mlx_array a = mlx_array_new(), f = mlx_array_new_float(*(float *)factor);
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_multiply(&a, a, f, (mlx_stream){0}) ||
           mlx_vector_array_set_value(res, a);
  mlx_array_free(a);
  mlx_array_free(f);
  return rc;
}

static int negated(mlx_array *res, const mlx_array in) {
  CHECK(!res->ctx);
  return mlx_negative(res, in, (mlx_stream){0});
}

static void count(void *n) { ++*(int *)n; }

/* ---- what they give ---- */

static void plain(void) {
  mlx_closure f = mlx_closure_new_func(sum_and_difference), copy = f, other = mlx_closure_new();
  mlx_vector_array in = numbers(5, 3), out = mlx_vector_array_new();
  CHECK(f.ctx && !other.ctx);
  CHECK(mlx_closure_apply(&out, f, in) == 0 && mlx_vector_array_size(out) == 2);
  CHECK(value_at(out, 0) == 8 && value_at(out, 1) == 2);
  CHECK(mlx_closure_apply(&in, copy, in) == 0 && value_at(in, 0) == 8); /* over its own input */
  CHECK(mlx_closure_set(&other, f) == 0);
  CHECK(mlx_closure_free(f) == 0);
  CHECK(mlx_closure_apply(&out, other, in) == 0 && value_at(out, 0) == 10);
  mlx_closure_free(other);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

static void unary(void) {
  mlx_closure f = mlx_closure_new_unary(negated);
  mlx_vector_array two = numbers(1, 2), out = {NULL};
  mlx_array a = mlx_array_new_float(4);
  mlx_vector_array one = mlx_vector_array_new_value(a);
  CHECK(mlx_closure_apply(&out, f, one) == 0 && value_at(out, 0) == -4);
  REFUSED(mlx_closure_apply(&out, f, two), "closure: expected unary input");
  CHECK(value_at(out, 0) == -4); /* left alone */
  mlx_array_free(a);
  mlx_vector_array_free(one);
  mlx_vector_array_free(two);
  mlx_vector_array_free(out);
  mlx_closure_free(f);
}

static void payload(void) {
  float two = 2, three = 3;
  static int ends[2];
  mlx_closure f = mlx_closure_new_func_payload(scaled, &two, NULL);
  mlx_vector_array in = numbers(7, 0), out = mlx_vector_array_new();
  CHECK(mlx_closure_apply(&out, f, in) == 0 && value_at(out, 0) == 14);
  mlx_closure g = mlx_closure_new_func_payload(scaled, &three, NULL);
  CHECK(mlx_closure_set(&f, g) == 0 && mlx_closure_free(g) == 0);
  CHECK(mlx_closure_apply(&out, f, in) == 0 && value_at(out, 0) == 21);
  mlx_closure a = mlx_closure_new_func_payload(scaled, &ends[0], count), b = {NULL};
  CHECK(mlx_closure_set(&b, a) == 0 && mlx_closure_set(&a, a) == 0);
  CHECK(mlx_closure_free(a) == 0 && ends[0] == 0);
  CHECK(mlx_closure_set(&b, f) == 0 && ends[0] == 1); /* inside the call that let go of it */
  mlx_closure_free(b);
  mlx_closure_free(f);
  a = mlx_closure_new_func_payload(scaled, &ends[1], count);
  CHECK(mlx_closure_free(a) == 0 && ends[1] == 1);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* ---- the other kinds ---- */

static int pick(mlx_vector_array *res, const mlx_vector_array in,
                const mlx_map_string_to_array named, void *key) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_vector_array_size(in) == 2);
  int rc = mlx_map_string_to_array_get(&a, named, key) || mlx_vector_array_set_value(res, a);
  mlx_array_free(a);
  return rc;
}

static void kwargs(void) {
  char key[] = "bias";
  mlx_closure_kwargs f = mlx_closure_kwargs_new_func_payload(pick, key, NULL), g = {NULL};
  mlx_map_string_to_array named = mlx_map_string_to_array_new();
  mlx_array a = mlx_array_new_float(9);
  mlx_vector_array in = numbers(1, 2), out = {NULL};
  REFUSED(mlx_closure_kwargs_apply(&out, f, in, named),
          "mlx_closure_kwargs returned a non-zero value");
  CHECK(mlx_map_string_to_array_insert(named, key, a) == 0);
  CHECK(mlx_closure_kwargs_set(&g, f) == 0 && mlx_closure_kwargs_free(f) == 0);
  CHECK(mlx_closure_kwargs_apply(&out, g, in, named) == 0 && value_at(out, 0) == 9);
  mlx_closure_kwargs_free(g);
  mlx_array_free(a);
  mlx_map_string_to_array_free(named);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* Hands over one vector for both results, which ends once. */
static int same(mlx_vector_array *values, mlx_vector_array *grads, const mlx_vector_array in) {
  *values = mlx_vector_array_new();
  CHECK(mlx_vector_array_set(values, in) == 0);
  *grads = *values;
  return 0;
}

static int only_values(mlx_vector_array *values, mlx_vector_array *grads,
                       const mlx_vector_array in) {
  (void)grads;
  *values = in; /* gives its input back */
  return 0;
}

static void value_and_grad(void) {
  mlx_closure_value_and_grad f = mlx_closure_value_and_grad_new_func(same);
  mlx_closure_value_and_grad g = mlx_closure_value_and_grad_new_func(only_values);
  mlx_vector_array in = numbers(1, 2), a = {NULL}, b = mlx_vector_array_new();
  CHECK(mlx_closure_value_and_grad_apply(&a, &b, f, in) == 0);
  CHECK(value_at(a, 1) == 2 && value_at(b, 1) == 2 && a.ctx != b.ctx);
  REFUSED(mlx_closure_value_and_grad_apply(&a, &b, g, in), "expected a non-empty mlx_vector_array");
  CHECK(value_at(a, 1) == 2 && value_at(in, 0) == 1);
  CHECK(mlx_closure_value_and_grad_set(&f, g) == 0);
  mlx_closure_value_and_grad_free(f);
  mlx_closure_value_and_grad_free(g);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
  mlx_vector_array_free(in);
}

static int second_of(mlx_vector_array *res, const mlx_vector_array primals,
                     const mlx_vector_array cotangents, const mlx_vector_array outputs,
                     void *calls) {
  ++*(int *)calls;
  CHECK(mlx_vector_array_size(primals) == 2 && mlx_vector_array_size(outputs) == 2);
  return mlx_vector_array_set(res, cotangents);
}

static int tangents_of(mlx_vector_array *res, const mlx_vector_array primals,
                       const mlx_vector_array tangents, const int *argnums, size_t n) {
  CHECK(mlx_vector_array_size(primals) == 2 && n == 1 && argnums[0] == 7);
  return mlx_vector_array_set(res, tangents);
}

static int axes_of(mlx_vector_array *res, mlx_vector_int *axes, const mlx_vector_array in,
                   const int *in_axes, size_t n) {
  CHECK(n == 2);
  int given[2] = {in_axes[1], in_axes[0]};
  return mlx_vector_array_set(res, in) || mlx_vector_int_set_data(axes, given, 2);
}

static int no_axes(mlx_vector_array *res, mlx_vector_int *axes, const mlx_vector_array in,
                   const int *in_axes, size_t n) {
  (void)axes;
  (void)in_axes;
  (void)n;
  return mlx_vector_array_set(res, in);
}

static void custom(void) {
  int calls = 0, seven = 7, two_axes[] = {-1, 4}, axis = 0;
  mlx_closure_custom f = mlx_closure_custom_new_func_payload(second_of, &calls, NULL);
  mlx_closure_custom_jvp g = mlx_closure_custom_jvp_new_func(tangents_of);
  mlx_closure_custom_vmap h = mlx_closure_custom_vmap_new_func(axes_of);
  mlx_closure_custom_vmap none = mlx_closure_custom_vmap_new_func(no_axes);
  mlx_vector_array a = numbers(1, 2), b = numbers(3, 4), out = mlx_vector_array_new();
  mlx_vector_int axes = {NULL};
  CHECK(mlx_closure_custom_apply(&out, f, a, b, a) == 0 && calls == 1 && value_at(out, 0) == 3);
  CHECK(mlx_closure_custom_jvp_apply(&out, g, a, b, &seven, 1) == 0 && value_at(out, 1) == 4);
  CHECK(mlx_closure_custom_vmap_apply(&out, &axes, h, a, two_axes, 2) == 0);
  CHECK(value_at(out, 1) == 2 && mlx_vector_int_size(axes) == 2);
  CHECK(mlx_vector_int_get(&axis, axes, 0) == 0 && axis == 4);
  CHECK(mlx_vector_int_get(&axis, axes, 1) == 0 && axis == -1);
  REFUSED(mlx_closure_custom_vmap_apply(&out, &axes, none, a, two_axes, 2),
          "expected a non-empty mlx_vector_int");
  CHECK(mlx_closure_custom_vmap_set(&h, none) == 0);
  mlx_closure_custom_free(f);
  mlx_closure_custom_jvp_free(g);
  mlx_closure_custom_vmap_free(h);
  mlx_closure_custom_vmap_free(none);
  mlx_vector_int_free(axes);
  mlx_vector_array_free(a);
  mlx_vector_array_free(b);
  mlx_vector_array_free(out);
}

/* ---- failing ---- */

static int gives_up(mlx_vector_array *res, const mlx_vector_array in) {
  (void)in;
  *res = mlx_vector_array_new();
  return 3;
}

static int gives_nothing(mlx_vector_array *res, const mlx_vector_array in) {
  (void)res;
  (void)in;
  return 0;
}

static int meets_an_error(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array a = mlx_array_new();
  int rc = mlx_vector_array_get(&a, in, 0) || mlx_sum_axis(&a, a, 5, false, (mlx_stream){0}) ||
           mlx_vector_array_set_value(res, a);
  mlx_array_free(a);
  return rc;
}

static int fails_of_its_own(mlx_vector_array *res, const mlx_vector_array in) {
  (void)res;
  (void)in;
  _mlx_error("mine.c", 12, "no such %s", "layer");
  return 1;
}

static void failing(void) {
  mlx_vector_array in = numbers(1, 2), out = {NULL};
  static int (*const functions[])(mlx_vector_array *, const mlx_vector_array) = {
      gives_up, gives_nothing, meets_an_error, fails_of_its_own, gives_up};
  static const char *const messages[] = {
      "mlx_closure returned a non-zero value",
      "[closure_apply] expected a non-empty mlx_vector_array",
      "mlx_closure returned a non-zero value: [sum]",
      "mlx_closure returned a non-zero value: no such layer at mine.c:12",
      "mlx_closure returned a non-zero value"}; /* not the one before */
  for (int i = 0; i < 5; i++) {
    mlx_closure f = mlx_closure_new_func(functions[i]);
    REFUSED(mlx_closure_apply(&out, f, in), messages[i]);
    CHECK(!out.ctx);
    mlx_closure_free(f);
  }
  REFUSED(mlx_closure_apply(&out, mlx_closure_new(), in), "expected a non-empty mlx_closure");
  REFUSED(mlx_closure_new_func(NULL).ctx == NULL, "fun is NULL");
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* ---- lives ---- */

static mlx_closure own;
static int own_ends;

static int frees_itself(mlx_vector_array *res, const mlx_vector_array in, void *payload) {
  CHECK(mlx_closure_free(own) == 0 && payload == &own_ends && own_ends == 0);
  return mlx_vector_array_set(res, in);
}

/* The call was what held it last: the destructor is on the reclaimer. */
static void frees_itself_inside(void) {
  mlx_vector_array in = numbers(1, 2), out = {NULL};
  own = mlx_closure_new_func_payload(frees_itself, &own_ends, count);
  CHECK(mlx_closure_apply(&out, own, in) == 0 && value_at(out, 1) == 2);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  CHECK(weir_shutdown(10 * INT64_C(1000000000)) == 0);
  CHECK(own_ends == 1);
}

static int calls_another(mlx_vector_array *res, const mlx_vector_array in, void *other) {
  return mlx_closure_apply(res, *(mlx_closure *)other, in);
}

static void inside_each_other(void) {
  mlx_closure chain[20];
  mlx_vector_array in = numbers(5, 3), out = {NULL};
  chain[0] = mlx_closure_new_func(sum_and_difference);
  for (int i = 1; i < 20; i++) {
    chain[i] = mlx_closure_new_func_payload(calls_another, &chain[i - 1], NULL);
  }
  CHECK(mlx_closure_apply(&out, chain[19], in) == 0 && value_at(out, 0) == 8);
  mlx_closure fails = mlx_closure_new_func(meets_an_error);
  mlx_closure_set(&chain[0], fails);
  REFUSED(mlx_closure_apply(&out, chain[19], in), "mlx_closure returned a non-zero value: [sum]");
  CHECK(value_at(out, 0) == 8);
  mlx_closure_free(fails);
  for (int i = 0; i < 20; i++) mlx_closure_free(chain[i]);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

/* Made on one thread, called on many at once, freed on another. */
static mlx_closure shared;
static float third = 3;

static void *apply_many_times(void *unused) {
  mlx_closure mine = {NULL};
  CHECK(mlx_closure_set(&mine, shared) == 0);
  for (int i = 0; i < TIMES; i++) {
    mlx_vector_array in = numbers((float)i, 0), out = mlx_vector_array_new();
    CHECK(mlx_closure_apply(&out, mine, in) == 0 && value_at(out, 0) == 3 * (float)i);
    mlx_vector_array_free(in);
    mlx_vector_array_free(out);
  }
  mlx_closure_free(mine);
  return unused;
}

static sem_t ended;

static void tell(void *payload) {
  CHECK(payload == &third);
  sem_post(&ended);
}

static void many_threads(void) {
  pthread_t threads[THREADS];
  CHECK(sem_init(&ended, 0, 0) == 0);
  shared = mlx_closure_new_func_payload(scaled, &third, tell);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, apply_many_times, NULL) == 0);
  }
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(sem_trywait(&ended) != 0);
  mlx_closure_free(shared);
  CHECK(sem_wait(&ended) == 0 && sem_trywait(&ended) != 0);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(hear, &reports, NULL);
  plain();
  unary();
  payload();
  kwargs();
  value_and_grad();
  custom();
  failing();
  frees_itself_inside();
  inside_each_other();
  many_threads();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
