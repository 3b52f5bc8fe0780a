#ifndef WR_IO_MLXFN_IMPORT_H
#define WR_IO_MLXFN_IMPORT_H

/* Functions that were read from a file. Immutable; any thread may call one, and free it, also at
   once: the caller sees to it that it is not freed during a call. */

#include "base/map.h"
#include "ops/function.h"

struct wr_fn_import;

struct wr_error *wr_fn_import_new(struct wr_fn_import **out, const char *name);
void wr_fn_import_free(struct wr_fn_import *f); /* NULL is a no-op */
/* Picks the first trace that fits, and records it; `named` may be NULL. The outputs are lazy, and
   added to the empty list. */
struct wr_error *wr_fn_import_call(const struct wr_fn_import *f, const struct wr_node_list *in,
                                   const struct wr_map *named, struct wr_ptrs *outputs);

#endif
