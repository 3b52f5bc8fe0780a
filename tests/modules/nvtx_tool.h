#ifndef WR_TESTS_MODULES_NVTX_TOOL_H
#define WR_TESTS_MODULES_NVTX_TOOL_H

/* What a test asks the module nvtx_tool, which plays the part of Nsight Systems. The test opens the
   module again at its path and finds nvtx_tool_report by dlsym. */

enum { NVTX_TOOL_NAMES = 16, NVTX_TOOL_BYTES = 64 };

struct nvtx_tool_report {
  int initialized; /* times */
  int faults;      /* what the client's tables had wrong; words are on stderr */
  int named;       /* names that came, of which the first are here: */
  struct nvtx_tool_name {
    const void *stream;
    char label[NVTX_TOOL_BYTES];
  } names[NVTX_TOOL_NAMES];
};

#endif
