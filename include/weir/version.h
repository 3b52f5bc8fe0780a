#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

/* Weir's version. Until 1.0 a new MINOR may take functions away or change them; a new PATCH does
   not. The version of MLX whose functions it has is another: mlx/c/version.h. */

#ifdef __cplusplus
extern "C" {
#endif

/* Of the headers. */
#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/* For #if: 0.1.0 is 1000. */
#define WEIR_VERSION (WEIR_VERSION_MAJOR * 1000000 + WEIR_VERSION_MINOR * 1000 + WEIR_VERSION_PATCH)

/* Of the library that the program runs on, as "0.1.0". Any thread; never fails; the text is the
   library's, and stays. */
const char *weir_version(void);

#ifdef __cplusplus
}
#endif

#endif
