/* Kernels of the caller's on the stand-in for NVIDIA's driver, which computes nothing: what is
   recorded, compiled and launched, how often, and what becomes of each mistake. */

#include <stdlib.h>
#include <unistd.h>

#include "graph/trace.h"
#include "inside.h"
#include "ops/again.h"
#include "stand_in_case.h"
#include "users_kernel.h"

static const char *const one_in[] = {"x", NULL}, *const one_out[] = {"y", NULL};
static const char *const two_out[] = {"y", "z", NULL}, *const nothing[] = {NULL};
static mlx_stream gpu;

static bool said(const char *part) { return strstr(weir_last_error(), part) != NULL; }

static mlx_fast_cuda_kernel plain(const char *name, const char *source) {
  mlx_fast_cuda_kernel k = users_kernel(name, one_in, one_out, source, "", true, 0);
  CHECK(k.ctx != NULL);
  return k;
}

static mlx_fast_cuda_kernel_config like_input(int n) {
  mlx_fast_cuda_kernel_config c = users_config(n);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, &n, 1, MLX_FLOAT32) == 0);
  return c;
}

/* Computed there. */
static mlx_array vector(int n) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0, n, 1, MLX_FLOAT32, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

/* Applies, forces, and gives the first result's return code. */
static int run(mlx_fast_cuda_kernel k, mlx_fast_cuda_kernel_config c, mlx_array in, mlx_stream s) {
  mlx_vector_array out = mlx_vector_array_new();
  int rc = users_apply(&out, k, c, &in, 1, s);
  if (rc == 0) {
    mlx_array y = users_result(out, 0);
    rc = mlx_array_eval(y);
    mlx_array_free(y);
  }
  mlx_vector_array_free(out);
  return rc;
}

static void results(void) {
  mlx_fast_cuda_kernel k = users_kernel("pair", one_in, two_out, "body", "", true, 0);
  mlx_fast_cuda_kernel_config c = users_config(300);
  const int shapes[] = {300, 2, 5};
  mlx_vector_array out = mlx_vector_array_new();
  mlx_array in = vector(300);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, shapes, 1, MLX_FLOAT32) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, shapes + 1, 2, MLX_INT8) == 0);
  CHECK(mlx_fast_cuda_kernel_config_set_init_value(c, 3) == 0);
  CHECK(users_apply(&out, k, c, &in, 1, gpu) == 0 && mlx_vector_array_size(out) == 2);
  mlx_array y = users_result(out, 0), z = users_result(out, 1);
  CHECK(mlx_array_size(y) == 300 && mlx_array_dtype(y) == MLX_FLOAT32);
  CHECK(mlx_array_ndim(z) == 2 && mlx_array_dim(z, 1) == 5 && mlx_array_dtype(z) == MLX_INT8);
  const uint64_t before = stand_in_now().kernels;
  CHECK(mlx_array_eval(y) == 0 && mlx_array_eval(z) == 0);
  CHECK(stand_in_now().kernels == before + 3); /* two that fill, and the user's */
  mlx_array_free(y);
  mlx_array_free(z);
  mlx_array_free(in);
  mlx_vector_array_free(out);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* One module for each text, whatever kernels and configurations it comes from. */
static void compiled_once(void) {
  mlx_fast_cuda_kernel a = plain("same", "int i;"), b = plain("same", "int i;"),
                       other = plain("same", "int j;");
  mlx_fast_cuda_kernel_config c = like_input(8), d = like_input(64);
  mlx_array in = vector(8);
  CHECK(run(a, c, in, gpu) == 0);
  const uint64_t modules = stand_in_now().modules;
  CHECK(run(a, c, in, gpu) == 0 && run(b, d, in, gpu) == 0 && stand_in_now().modules == modules);
  CHECK(run(other, c, in, gpu) == 0 && stand_in_now().modules == modules + 1);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_int(c, "N", -4) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_bool(c, "B", true) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_dtype(c, "T", MLX_BFLOAT16) == 0);
  CHECK(run(a, c, in, gpu) == 0 && stand_in_now().modules == modules + 2);
  mlx_array_free(in);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_config_free(d);
  mlx_fast_cuda_kernel_free(a);
  mlx_fast_cuda_kernel_free(b);
  mlx_fast_cuda_kernel_free(other);
}

/* The stand-in reads the parameters, and looks at each pointer. */
static void parameters(void) {
  mlx_fast_cuda_kernel k =
      users_kernel("facts", one_in, one_out, "x_shape x_strides x_ndim", "", false, 0);
  mlx_fast_cuda_kernel_config c = like_input(6);
  const int shape[] = {2, 3};
  mlx_array in = vector(6), turned = mlx_array_new(), none = mlx_array_new_float(1);
  CHECK(mlx_reshape(&turned, in, shape, 2, gpu) == 0 && mlx_transpose(&turned, turned, gpu) == 0);
  CHECK(run(k, c, turned, gpu) == 0 && run(k, c, none, gpu) == 0);
  mlx_array_free(in);
  mlx_array_free(turned);
  mlx_array_free(none);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* What is not row-major is copied, where that is asked for. */
static void copies(void) {
  const int shape[] = {16, 16};
  mlx_array in = vector(256), turned = mlx_array_new();
  CHECK(mlx_reshape(&turned, in, shape, 2, gpu) == 0 && mlx_transpose(&turned, turned, gpu) == 0);
  CHECK(mlx_array_eval(turned) == 0);
  for (int contiguous = 0; contiguous < 2; contiguous++) {
    mlx_fast_cuda_kernel k =
        users_kernel("copied", one_in, one_out, "int k;", "", contiguous != 0, 0);
    mlx_fast_cuda_kernel_config c = like_input(256);
    const uint64_t before = stand_in_now().kernels;
    CHECK(run(k, c, turned, gpu) == 0);
    CHECK(stand_in_now().kernels == before + 1 + (uint64_t)contiguous);
    mlx_fast_cuda_kernel_config_free(c);
    mlx_fast_cuda_kernel_free(k);
  }
  mlx_array_free(in);
  mlx_array_free(turned);
}

static void threads_refused(void) {
  mlx_fast_cuda_kernel k = plain("threads", "int t;");
  mlx_fast_cuda_kernel_config c = like_input(8);
  mlx_array in = vector(8);
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, 0, 1, 1) == 0);
  const uint64_t before = stand_in_now().kernels;
  CHECK(run(k, c, in, gpu) == 0 && stand_in_now().kernels == before);
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, -1, 1, 1) == 0);
  CHECK(run(k, c, in, gpu) == 1 && said("[custom_kernel] A grid of (-1, 1, 1)"));
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, 2048, 1, 1) == 0);
  CHECK(mlx_fast_cuda_kernel_config_set_thread_group(c, 2048, 1, 1) == 0);
  CHECK(run(k, c, in, gpu) == 1 && said("is too large"));
  CHECK(mlx_fast_cuda_kernel_config_set_thread_group(c, 0, 1, 1) == 0 && run(k, c, in, gpu) == 1);
  /* More blocks than a grid has along an axis: this command alone. */
  CHECK(mlx_fast_cuda_kernel_config_set_thread_group(c, 1, 1, 1) == 0);
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, 1, 70000, 1) == 0);
  CHECK(run(k, c, in, gpu) == 1 && said("more than a GPU can count"));
  CHECK(mlx_fast_cuda_kernel_config_set_grid(c, 8, 1, 1) == 0 && run(k, c, in, gpu) == 0);
  mlx_array_free(in);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

static void shared_memory(void) {
  const int bytes[] = {0, 48 << 10, 100 << 10, 60 << 10, 227 << 10};
  mlx_fast_cuda_kernel_config c = like_input(8);
  mlx_array in = vector(8);
  for (int i = 0; i < 5; i++) {
    mlx_fast_cuda_kernel k = users_kernel("shared", one_in, one_out, "int s;", "", true, bytes[i]);
    for (int j = 0; j < 8; j++) CHECK(run(k, c, in, gpu) == 0); /* as a graph, after some */
    mlx_fast_cuda_kernel_free(k);
  }
  mlx_fast_cuda_kernel k = users_kernel("shared", one_in, one_out, "int s;", "", true, 1 << 20);
  CHECK(run(k, c, in, gpu) == 1 && said("cuFuncSetAttribute"));
  mlx_fast_cuda_kernel_free(k);
  mlx_array_free(in);
  mlx_fast_cuda_kernel_config_free(c);
}

static void counts_refused(void) {
  mlx_fast_cuda_kernel k = plain("counts", "int c;");
  mlx_fast_cuda_kernel_config c = users_config(8), d = like_input(8);
  const int shape[1] = {8}, deep[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8};
  mlx_vector_array out = mlx_vector_array_new();
  mlx_array in[] = {vector(8), vector(8)};
  CHECK(users_apply(&out, k, d, in, 2, gpu) == 1);
  CHECK(said("[custom_kernel] Expected `inputs` to have size 1 but got size 2."));
  CHECK(users_apply(&out, k, c, in, 1, gpu) == 1);
  CHECK(said("[custom_kernel] Expected `output_shapes` to have size 1 but got size 0."));
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, shape, 1, (mlx_dtype)99) == 1);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){-1}, 1, MLX_FLOAT32) == 1);
  CHECK(mlx_vector_array_size(out) == 0);
  /* Without extents and strides an input may have any number of axes; with them, ten. */
  mlx_array many = mlx_array_new();
  mlx_fast_cuda_kernel asks = plain("asks", "x_strides");
  CHECK(mlx_reshape(&many, in[0], deep, 12, gpu) == 0);
  CHECK(run(k, d, many, gpu) == 0 && run(asks, d, many, gpu) == 1 && said("12 dimensions"));
  for (int i = 0; i < 2; i++) mlx_array_free(in[i]);
  mlx_array_free(many);
  mlx_vector_array_free(out);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_config_free(d);
  mlx_fast_cuda_kernel_free(asks);
  mlx_fast_cuda_kernel_free(k);
}

/* 16 inputs with all that is known of them are 64 parameters, and there is the output too. */
static void many_parameters(void) {
  char names[16][3], source[1024] = "";
  const char *list[17] = {NULL};
  mlx_array in[16];
  for (int i = 0; i < 16; i++) {
    snprintf(names[i], sizeof names[i], "a%c", 'a' + i);
    list[i] = names[i];
    strcat(strcat(source, names[i]), "_shape ");
    strcat(strcat(source, names[i]), "_strides ");
    strcat(strcat(source, names[i]), "_ndim ");
    in[i] = vector(8);
  }
  mlx_vector_array out = mlx_vector_array_new();
  mlx_fast_cuda_kernel_config c = like_input(8);
  for (int n = 15; n <= 16; n++) {
    list[n] = NULL;
    mlx_fast_cuda_kernel k = users_kernel("many", list, one_out, source, "", true, 0);
    CHECK(users_apply(&out, k, c, in, (size_t)n, gpu) == (n == 16));
    mlx_fast_cuda_kernel_free(k);
    list[n] = names[15];
  }
  CHECK(said("65 parameters"));
  mlx_array y = users_result(out, 0);
  CHECK(mlx_array_eval(y) == 0);
  mlx_array_free(y);
  for (int i = 0; i < 16; i++) mlx_array_free(in[i]);
  mlx_vector_array_free(out);
  mlx_fast_cuda_kernel_config_free(c);
}

static void handles_refused(void) {
  mlx_fast_cuda_kernel k = plain("handles", "int h;");
  mlx_fast_cuda_kernel_config c = like_input(8), wrong = {k.ctx};
  mlx_array in = vector(8);
  mlx_stream cpu = mlx_default_cpu_stream_new();
  CHECK(run(k, c, in, cpu) == 1 && said("[custom_kernel] Only supports the GPU."));
  CHECK(run((mlx_fast_cuda_kernel){NULL}, c, in, gpu) == 1);
  CHECK(said("[cuda_kernel] cls is empty: expected a non-empty mlx_fast_cuda_kernel"));
  CHECK(run(k, (mlx_fast_cuda_kernel_config){NULL}, in, gpu) == 1 && said("config is empty"));
  CHECK(run((mlx_fast_cuda_kernel){c.ctx}, c, in, gpu) == 1 && said("cls is a"));
  CHECK(run(k, wrong, in, gpu) == 1 && said("config is a CUDA kernel"));
  CHECK(!users_kernel("none", one_in, nothing, "", "", true, 0).ctx);
  CHECK(said("[custom_kernel] Must specify at least one output."));
  CHECK(!users_kernel("less", one_in, one_out, "", "", true, -1).ctx && said("shared_memory"));
  CHECK(!users_kernel(NULL, one_in, one_out, "", "", true, 0).ctx && said("name is NULL"));
  mlx_array_free(in);
  mlx_stream_free(cpu);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* What the compiler says is the error of the array; the next that needs it tries again. */
static void not_compiled(void) {
  mlx_fast_cuda_kernel k = plain("broken", "int b;");
  mlx_fast_cuda_kernel_config c = like_input(8);
  mlx_array in = vector(8);
  stand_in_nvrtc_order("nvrtcCompileProgram", 1, 6);
  CHECK(run(k, c, in, gpu) == 1 && said("custom_kernel_broken was not compiled by NVRTC (6)"));
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(run(k, c, in, gpu) == 0);
  mlx_array_free(in);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* Recorded once more, of another array that does not lie row by row. */
static void again(void) {
  mlx_fast_cuda_kernel k = plain("again", "int a;");
  mlx_fast_cuda_kernel_config c = like_input(16);
  mlx_vector_array out = mlx_vector_array_new();
  mlx_array in = vector(16), square = mlx_array_new();
  CHECK(mlx_reshape(&square, in, (const int[]){4, 4}, 2, gpu) == 0);
  struct wr_trace *log = NULL;
  CHECK(!wr_trace_open(&log) && users_apply(&out, k, c, &square, 1, gpu) == 0);
  CHECK(mlx_transpose(&square, square, gpu) == 0 && log->count == 3);
  struct wr_node *command = log->entries[0].node, *with = log->entries[2].node, *made = NULL;
  const struct wr_record like = wr_ops_record_of(command, &with, 1, inside(gpu));
  CHECK(!wr_node_force(with));
  const uint64_t before = stand_in_now().kernels;
  CHECK(like.op == WR_OP_KERNEL && !wr_ops_again(&made, &like) && !wr_node_force(made));
  CHECK(stand_in_now().kernels == before + 2); /* a copy, row by row, and the user's */
  CHECK(wr_node_op(made) == WR_OP_KERNEL && wr_node_size(made) == 256);
  wr_node_release(made);
  wr_trace_close(log);
  mlx_array_free(in);
  mlx_array_free(square);
  mlx_vector_array_free(out);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* In a file and back: without the linkage in it, by which MLX would not find the kernel, and with
   all else. */
static mlx_fast_cuda_kernel stored_kernel;

static int storing(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_fast_cuda_kernel_config c = users_config(300);
  mlx_array x = users_result(in, 0);
  int rc = mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){300}, 1, MLX_FLOAT32) ||
           mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){2, 5}, 2, MLX_INT8) ||
           mlx_fast_cuda_kernel_config_set_init_value(c, 3) ||
           users_apply(res, stored_kernel, c, &x, 1, gpu);
  mlx_array_free(x);
  mlx_fast_cuda_kernel_config_free(c);
  return rc;
}

/* Somebody else's file, whose function has a pointer where a number of 4 bytes is. */
static void other_parameters(const char *name, char *bytes, size_t n, mlx_vector_array in) {
  char *parameter = memmem(bytes, n, "int x_ndim", 10);
  CHECK(parameter != NULL);
  parameter[3] = '*';
  FILE *file = fopen(name, "w");
  CHECK(file && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
  mlx_imported_function g = mlx_imported_function_new(name);
  mlx_vector_array out = mlx_vector_array_new();
  const uint64_t kernels = stand_in_now().kernels;
  CHECK(g.ctx && mlx_imported_function_apply(&out, g, in) == 0 && mlx_eval(out) == 1);
  CHECK(said("other parameters than its arrays need"));
  CHECK(stand_in_now().kernels < kernels + 3); /* those that fill at most */
  mlx_vector_array_free(out);
  mlx_imported_function_free(g);
}

static void stored(void) {
  char name[] = "/tmp/weir-kernel-XXXXXX", bytes[4096];
  CHECK(close(mkstemp(name)) == 0);
  stored_kernel = users_kernel("stored", one_in, two_out, "x_shape x_ndim", "", true, 64);
  mlx_array x = vector(300);
  mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_func(storing);
  CHECK(mlx_export_function(name, f, in, false) == 0);
  FILE *file = fopen(name, "r");
  CHECK(file != NULL);
  const size_t n = fread(bytes, 1, sizeof bytes, file);
  CHECK(fclose(file) == 0 && n < sizeof bytes && memmem(bytes, n, "CustomKernel", 12));
  CHECK(memmem(bytes, n, "__global__ void custom_kernel_stored(", 37));
  CHECK(!memmem(bytes, n, "extern", 6));
  CHECK(mlx_closure_apply(&out, f, in) == 0 && mlx_eval(out) == 0);
  mlx_imported_function g = mlx_imported_function_new(name);
  const uint64_t modules = stand_in_now().modules, kernels = stand_in_now().kernels;
  CHECK(g.ctx && mlx_imported_function_apply(&out, g, in) == 0 && mlx_eval(out) == 0);
  CHECK(stand_in_now().modules == modules && stand_in_now().kernels == kernels + 3);
  mlx_array z = users_result(out, 1);
  CHECK(mlx_array_ndim(z) == 2 && mlx_array_dim(z, 1) == 5 && mlx_array_dtype(z) == MLX_INT8);
  mlx_array_free(z);
  mlx_imported_function_free(g);
  other_parameters(name, bytes, n, in);
  mlx_array_free(x);
  mlx_closure_free(f);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_fast_cuda_kernel_free(stored_kernel);
  CHECK(unlink(name) == 0);
}

static mlx_fast_cuda_kernel shared_kernel;

static void apply_many(int i) {
  mlx_stream s = new_gpu_stream();
  mlx_array in = vector(64);
  mlx_fast_cuda_kernel_config c = like_input(64);
  for (int n = 0; n < 50; n++) {
    CHECK(mlx_fast_cuda_kernel_config_add_template_arg_int(c, "N", i * 10 + n / 10) == 0);
    CHECK(run(shared_kernel, c, in, s) == 0);
    mlx_fast_cuda_kernel_config_free(c);
    c = like_input(64);
  }
  mlx_array_free(in);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_stream_free(s);
}

static void on_threads(void) {
  shared_kernel = plain("threads", "int n = N;");
  run_threads(many(8), apply_many);
  mlx_fast_cuda_kernel_free(shared_kernel);
}

int main(void) {
  bool available = false;
  stand_in_start();
  CHECK(mlx_cuda_is_available(&available) == 0 && available);
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  results();
  compiled_once();
  parameters();
  copies();
  threads_refused();
  shared_memory();
  counts_refused();
  many_parameters();
  handles_refused();
  not_compiled();
  again();
  stored();
  on_threads();
  mlx_stream_free(gpu);
  return 0;
}
