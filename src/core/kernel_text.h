#ifndef WR_CORE_KERNEL_TEXT_H
#define WR_CORE_KERNEL_TEXT_H

/* Source of users' kernels as values of parameters: equal texts are one object, whose address says
   all of them. They stay for the rest of the process, as the machine code does that is loaded for
   them. Any thread. */

#include <stdbool.h>

#include "core/error.h"

struct wr_kernel_text {
  const char *entry; /* the kernel's name in it */
  const char *text;
};

/* Stands in front of the kernel, so that its name in the machine code is its name in the source. */
#define WR_KERNEL_LINKAGE "extern \"C\" "
#define WR_KERNEL_BEGINNING "__global__ void "

/* Where the kernel's linkage is in its text; NULL: nowhere. */
const char *wr_kernel_text_linkage(const struct wr_kernel_text *text);
/* The text with the linkage, which has none: to be freed. NULL: the text has no such kernel, which
 *is_there says, or there is no memory. */
char *wr_kernel_text_linked(const char *entry, const char *text, bool *is_there);

/* Copies both; of one text the entry is always the same. */
struct wr_error *wr_kernel_text_of(const struct wr_kernel_text **out, const char *entry,
                                   const char *text);

#endif
