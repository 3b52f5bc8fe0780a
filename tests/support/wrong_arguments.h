#ifndef WR_TESTS_SUPPORT_WRONG_ARGUMENTS_H
#define WR_TESTS_SUPPORT_WRONG_ARGUMENTS_H

/* For generated calls of which one argument is wrong: what they are given beside handles, and what
   their reports said. Header-only. */

#include <stdio.h>

#include "call_arguments.h"

static const char *texts[1] = {"text"};
static float memory[1] = {1};

static char heard[512]; /* the last message */
static int calls;       /* reports since the call began */
static int wrong;       /* cases that were not as they should be */

static inline void hear(const char *message, void *data) {
  snprintf(heard, sizeof heard, "%s", message);
  ++*(int *)data;
}

#endif
