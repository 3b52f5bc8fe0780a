#ifndef WR_API_VECTOR_H
#define WR_API_VECTOR_H

/* What the functions of all kinds of vectors do, for calls.c: `ctx` is the handle's, or points into
   it where it may be changed (NULL: the handle's address was). They report under `function`. */

#include <stddef.h>

struct wr_vector_kind; /* vector.c */
extern const struct wr_vector_kind wr_vector_arrays;
extern const struct wr_vector_kind wr_vector_vectors;
extern const struct wr_vector_kind wr_vector_ints;
extern const struct wr_vector_kind wr_vector_strings;

/* The ctx of a new vector of n items; NULL after an error. */
void *wr_vector_new(const char *function, const struct wr_vector_kind *kind, const void *data,
                    size_t n, const char *param);
int wr_vector_free(const char *function, const struct wr_vector_kind *kind, void *ctx);
int wr_vector_set(const char *function, const struct wr_vector_kind *kind, void **ctx,
                  const void *data, size_t n, const char *param);
int wr_vector_copy(const char *function, const struct wr_vector_kind *kind, void **ctx, void *src);
int wr_vector_append(const char *function, const struct wr_vector_kind *kind, void *ctx,
                     const void *data, size_t n, const char *param);
size_t wr_vector_size(const char *function, const struct wr_vector_kind *kind, void *ctx);

#endif
