#ifndef WR_CORE_KERNEL_TEXT_H
#define WR_CORE_KERNEL_TEXT_H

/* Source of users' kernels as values of parameters: equal texts are one object, whose address says
   all of them. They stay for the rest of the process, as the machine code does that is loaded for
   them. Any thread. */

#include "core/error.h"

struct wr_kernel_text {
  const char *entry; /* the kernel's name in it */
  const char *text;
};

/* Copies both; of one text the entry is always the same. */
struct wr_error *wr_kernel_text_of(const struct wr_kernel_text **out, const char *entry,
                                   const char *text);

#endif
