#ifndef WR_TESTS_SUPPORT_NVTX_CASE_H
#define WR_TESTS_SUPPORT_NVTX_CASE_H

/* What tests of NVTX share: the environment is read as a program is loaded, so each case is a run
   of the test's own program, with a word on the command line; and what the tool has recorded. The
   build says where the tool lies: WEIR_TEST_NVTX_TOOL. */

#include <dlfcn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../modules/nvtx_tool.h"
#include "anew.h"
#include "check.h"

/* What the tool has recorded; NULL when nobody has opened it. */
static inline const struct nvtx_tool_report *nvtx_case_report(void) {
  void *tool = dlopen(WEIR_TEST_NVTX_TOOL, RTLD_NOW | RTLD_NOLOAD);
  return tool ? dlsym(tool, "nvtx_tool_report") : NULL;
}

/* Runs this program with the word and the two variables (NULL: unset); it must leave with 0 or 77,
   which is returned. */
static inline int nvtx_case_run(const char *word, const char *path, const char *how) {
  int status = 0;
  fflush(NULL);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(path ? setenv("NVTX_INJECTION64_PATH", path, 1) == 0
               : unsetenv("NVTX_INJECTION64_PATH") == 0);
    CHECK(how ? setenv("WEIR_TEST_TOOL", how, 1) == 0 : unsetenv("WEIR_TEST_TOOL") == 0);
    run_anew(word);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
  return WEXITSTATUS(status);
}

#endif
