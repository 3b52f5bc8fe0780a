/* W3: the label of a stream on a GPU reaches a tool by NVTX, with the stream that the driver knows;
   it goes when the stream goes, also where the driver's stream is used again; a CPU stream's label
   and a forked child's reach nobody. */

#include "nvtx_case.h"
#include "programs.h"

static void use(mlx_stream s) {
  mlx_array a = floats(4, 1), one = mlx_array_new_float(1);
  add_to(&a, one, s);
  CHECK(mlx_array_data_float32(a)[3] == 5);
  mlx_array_free(one);
  mlx_array_free(a);
}

static mlx_stream first;

static void in_the_child(void) {
  CHECK(weir_stream_set_label(first, "child") == 0);
  CHECK(nvtx_case_report()->named == 2);
  _exit(42);
}

/* The encoder goes when the last thread that looked for its results has let go of it. */
static void names_become(const struct nvtx_tool_report *report, int n) {
  for (int i = 0; i < 10000 && report->named < n; i++) usleep(1000);
  CHECK(report->named == n);
}

static void labels(void) {
  mlx_stream cpu = new_stream(), plain = new_gpu_stream();
  first = new_gpu_stream();
  CHECK(weir_stream_set_label(cpu, "loader") == 0);
  CHECK(!nvtx_case_report()); /* nobody needed the tool so far */
  CHECK(weir_stream_set_label(first, "decode") == 0);
  const struct nvtx_tool_report *report = nvtx_case_report();
  CHECK(report && report->initialized == 1 && report->faults == 0 && report->named == 1);
  const void *stream = report->names[0].stream;
  CHECK(stream && !strcmp(report->names[0].label, "decode"));
  CHECK(weir_stream_set_label(first, "prefill") == 0);
  CHECK(report->names[1].stream == stream && !strcmp(report->names[1].label, "prefill"));
  if (!SANITIZED) CHECK(in_child(in_the_child, 20) == 42);
  use(first);
  use(plain);
  mlx_stream_free(plain);
  mlx_stream_free(first);
  names_become(report, 3);
  CHECK(report->names[2].stream == stream && !report->names[2].label[0]);
  mlx_stream again = new_gpu_stream();
  use(again);
  CHECK(weir_stream_set_label(again, NULL) == 0);
  CHECK(report->named == 4 && !report->names[3].label[0]);
  mlx_stream_free(again);
  mlx_stream_free(cpu);
}

static int run(void) {
  if (!has_gpu()) return 77;
  labels();
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  return 0;
}

int main(int argc, char **argv) {
  (void)argv;
  return argc > 1 ? run() : nvtx_case_run("labels", WEIR_TEST_NVTX_TOOL, NULL);
}
