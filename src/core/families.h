/* Template: takes the rows of ops.def that do not concern the includer. After it, WR_OP hands each
   row to OF_<family>, and every OF_<family> is nothing; the includer defines those that it wants
   anew, includes ops.def, and then this file's end, families_end.h. */

#define WR_OP(ID, name, family, ...) OF_##family(ID, name, __VA_ARGS__)
#define OF_attention(...)
#define OF_binary(...)
#define OF_call(...)
#define OF_conv(...)
#define OF_copy(...)
#define OF_fft(...)
#define OF_hadamard(...)
#define OF_index(...)
#define OF_linalg(...)
#define OF_matmul(...)
#define OF_quantized(...)
#define OF_random(...)
#define OF_reduce(...)
#define OF_scan(...)
#define OF_shape(...)
#define OF_softmax(...)
#define OF_sort(...)
#define OF_ternary(...)
#define OF_unary(...)
