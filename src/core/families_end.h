/* Template: the end of families.h. */

#undef WR_OP
#undef OF_attention
#undef OF_binary
#undef OF_call
#undef OF_conv
#undef OF_copy
#undef OF_fft
#undef OF_hadamard
#undef OF_index
#undef OF_kernel
#undef OF_linalg
#undef OF_matmul
#undef OF_quantized
#undef OF_random
#undef OF_reduce
#undef OF_row_norm
#undef OF_scan
#undef OF_shape
#undef OF_softmax
#undef OF_sort
#undef OF_ternary
#undef OF_unary
