#ifndef WR_BACKEND_CUDA_CODEGEN_INTERNAL_H
#define WR_BACKEND_CUDA_CODEGEN_INTERNAL_H

/* From source to machine code. Any thread. */

#include "backend/cuda/codegen/codegen.h"

/* ---- jit.c: source to machine code ---- */

/* The machine code for compute capability `arch` (90 for 9.0), in memory of wr_alloc: from the
   cache on disk, where `driver` (its version) is part of the key, or from the compiler. */
struct wr_error *wr_jit_image(struct wr_module_id id, int arch, int driver, void **image);
/* The same, from the compiler alone. */
struct wr_error *wr_jit_compile(struct wr_module_id id, int arch, void **image, size_t *bytes);
/* Names the module in messages: "unary exp of float32 to float32". */
const char *wr_module_name(struct wr_module_id id, char *buf, size_t n);
/* The entries of a source; NULL past the last. */
const char *wr_source_entry(enum wr_source source, int entry);

/* The same for the text of a group (group.h). */
struct wr_error *wr_jit_group_image(const char *text, struct wr_module_id id, int arch, int driver,
                                    void **image);
struct wr_error *wr_jit_compile_group(const char *text, struct wr_module_id id, int arch,
                                      void **image, size_t *bytes);
/* The same for a user's kernel. */
struct wr_error *wr_jit_users_image(const struct wr_kernel_text *text, int arch, int driver,
                                    void **image);
struct wr_error *wr_jit_compile_users(const struct wr_kernel_text *text, int arch, void **image,
                                      size_t *bytes);
/* What the sources call an element type. */
const char *wr_type_name(enum wr_dtype t);

/* ---- toolkit.c: where users' kernels find NVIDIA's headers ---- */

/* Options of the compiler, "--include-path=..." each; how many, and 0 where there is no toolkit. */
enum { WR_TOOLKIT_FOLDERS = 2, WR_TOOLKIT_OPTION = 600 };
int wr_toolkit_options(const struct wr_nvrtc *nvrtc,
                       char options[WR_TOOLKIT_FOLDERS][WR_TOOLKIT_OPTION]);

/* ---- jit_cache.c: machine code on disk ---- */

struct wr_jit_key {
  uint64_t hash[2];
};

/* NULL when there is none, or what is there is damaged. Counts as a use. */
void *wr_jit_cache_read(struct wr_jit_key key, size_t *bytes);
/* Best effort: a cache that cannot be written is one that stays empty. What was used longest ago
   makes room. */
void wr_jit_cache_write(struct wr_jit_key key, const void *image, size_t bytes);

/* ---- group_source.c ---- */

enum { WR_GROUP_TEXT = 32 * 1024, WR_GROUP_ENTRIES = 2 };

/* The form as CUDA source, to be compiled for its wr_group_module. */
void wr_group_source(const struct wr_group_form *form, char text[WR_GROUP_TEXT]);
/* The entry's name; NULL past the last. */
const char *wr_group_entry(const struct wr_group_form *form, int entry);

#endif
