#ifndef WR_TESTS_CUDA_DRIVER_IMAGE_H
#define WR_TESTS_CUDA_DRIVER_IMAGE_H

/* How the stand-in compiler's images begin; the source follows. */
#define IMAGE_START "// stand-in image\n"

#endif
