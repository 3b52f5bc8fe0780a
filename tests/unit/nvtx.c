/* W3: names of streams reach a tool that the environment names, from any thread, and the tool is
   opened once; T2: where it is refused for the moment, the next label tries again; without one, or
   with one that is missing, is no tool, does not want to be used or takes no names, nothing
   happens. */

#include "backend/cuda/driver/nvtx.h"

#include <pthread.h>
#include <stdint.h>

#include "nvtx_case.h"
#include "programs.h"
#include "refusals.h"

static wr_cu_stream invented(uintptr_t number) { return (wr_cu_stream)number; }

static void *name_seven(void *arg) {
  wr_nvtx_name_stream(invented(7), "seven");
  return arg;
}

static void names_arrive(void) {
  static char long_name[300];
  memset(long_name, 'n', sizeof long_name - 1);
  CHECK(!nvtx_case_report());
  CHECK(wr_nvtx_listens());
  wr_nvtx_name_stream(invented(1000), "tokens");
  wr_nvtx_name_stream(invented(2000), "weights, \xc3\xa4");
  wr_nvtx_name_stream(invented(1000), "");
  wr_nvtx_name_stream(invented(3000), long_name);
  const struct nvtx_tool_report *report = nvtx_case_report();
  CHECK(report && report->initialized == 1 && report->faults == 0 && report->named == 4);
  CHECK(report->names[0].stream == invented(1000) && !strcmp(report->names[0].label, "tokens"));
  CHECK(report->names[1].stream == invented(2000));
  CHECK(!strcmp(report->names[1].label, "weights, \xc3\xa4"));
  CHECK(report->names[2].stream == invented(1000) && !report->names[2].label[0]);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, name_seven, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(report->initialized == 1 && report->named == 5);
  CHECK(report->names[4].stream == invented(7) && !strcmp(report->names[4].label, "seven"));
}

static void nothing_happens(void) {
  CHECK(!wr_nvtx_listens());
  wr_nvtx_name_stream(invented(1000), "tokens");
  CHECK(!wr_nvtx_listens());
}

static void names_arrive_later(void (*take_away)(void), void (*give)(void)) {
  take_away();
  nothing_happens();
  give();
  names_arrive();
}

static void nothing_is_opened(void) {
  nothing_happens();
  CHECK(!nvtx_case_report());
}

static void tool_is_left_alone(void) {
  nothing_happens();
  const struct nvtx_tool_report *report = nvtx_case_report();
  CHECK(report && report->initialized == 1 && report->faults == 0 && report->named == 0);
}

static int run(const char *word) {
  if (!strcmp(word, "names")) names_arrive();
  if (!strcmp(word, "descriptors")) names_arrive_later(take_descriptors, give_descriptors);
  if (!strcmp(word, "memory")) names_arrive_later(take_memory, give_memory);
  if (!strcmp(word, "nothing")) nothing_is_opened();
  if (!strcmp(word, "alone")) tool_is_left_alone();
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1) return run(argv[1]);
  nvtx_case_run("names", WEIR_TEST_NVTX_TOOL, NULL);
  nvtx_case_run("descriptors", WEIR_TEST_NVTX_TOOL, NULL);
  if (!SANITIZED && !emulated()) nvtx_case_run("memory", WEIR_TEST_NVTX_TOOL, NULL);
  nvtx_case_run("alone", WEIR_TEST_NVTX_TOOL, "refuses");
  nvtx_case_run("alone", WEIR_TEST_NVTX_TOOL, "empty");
  nvtx_case_run("nothing", NULL, NULL);
  nvtx_case_run("nothing", "", NULL);
  nvtx_case_run("nothing", "/nowhere/libtool.so", NULL);
  nvtx_case_run("nothing", "libm.so.6", NULL); /* a library, and no tool */
  return 0;
}
