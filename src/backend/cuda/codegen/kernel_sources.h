#ifndef WR_BACKEND_CUDA_CODEGEN_KERNEL_SOURCES_H
#define WR_BACKEND_CUDA_CODEGEN_KERNEL_SOURCES_H

/* The CUDA source of kernels/, as texts in the library. The definitions are written at build time
   by cmake/WeirEmbed.cmake. */

/* The text of a file that holds kernels; NULL when there is no such file. */
const char *wr_kernel_source(const char *name);

/* The files that those include. */
extern const int wr_kernel_header_count;
extern const char *const wr_kernel_header_texts[];
extern const char *const wr_kernel_header_names[];

#endif
