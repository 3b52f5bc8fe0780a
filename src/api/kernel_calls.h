/* Template: the public functions of one family of kernels, but for the one that makes a kernel,
   whose parameters differ. Included by kernel.c with

     FAMILY  its name, as it stands in the functions' and in the table of families. */

#define PASTE(family, rest) mlx_fast_##family##_kernel##rest
#define NAME_OF(family, rest) PASTE(family, rest)
#define NAME(rest) NAME_OF(FAMILY, rest)
#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

#define KERNEL NAME()
#define CONFIG NAME(_config)

CONFIG NAME(_config_new)(void) { return (CONFIG){config_new(TEXT(NAME(_config_new)), &FAMILY)}; }

void NAME(_config_free)(CONFIG cls) { config_free(TEXT(NAME(_config_free)), &FAMILY, cls.ctx); }

int NAME(_config_add_output_arg)(CONFIG cls, const int *shape, size_t size, mlx_dtype dtype) {
  const char *function = TEXT(NAME(_config_add_output_arg));
  return add_result(function, &FAMILY, cls.ctx, shape, size, dtype);
}

int NAME(_config_set_grid)(CONFIG cls, int grid1, int grid2, int grid3) {
  const char *function = TEXT(NAME(_config_set_grid));
  return set_threads(function, &FAMILY, cls.ctx, false, grid1, grid2, grid3);
}

int NAME(_config_set_thread_group)(CONFIG cls, int thread1, int thread2, int thread3) {
  const char *function = TEXT(NAME(_config_set_thread_group));
  return set_threads(function, &FAMILY, cls.ctx, true, thread1, thread2, thread3);
}

int NAME(_config_set_init_value)(CONFIG cls, float value) {
  return set_value(TEXT(NAME(_config_set_init_value)), &FAMILY, cls.ctx, value);
}

int NAME(_config_set_verbose)(CONFIG cls, bool verbose) {
  return set_verbose(TEXT(NAME(_config_set_verbose)), &FAMILY, cls.ctx, verbose);
}

int NAME(_config_add_template_arg_dtype)(CONFIG cls, const char *name, mlx_dtype dtype) {
  const char *function = TEXT(NAME(_config_add_template_arg_dtype));
  return add_constant(function, &FAMILY, cls.ctx, name, WR_KERNEL_TYPE, (int)dtype);
}

int NAME(_config_add_template_arg_int)(CONFIG cls, const char *name, int value) {
  const char *function = TEXT(NAME(_config_add_template_arg_int));
  return add_constant(function, &FAMILY, cls.ctx, name, WR_KERNEL_INT, value);
}

int NAME(_config_add_template_arg_bool)(CONFIG cls, const char *name, bool value) {
  const char *function = TEXT(NAME(_config_add_template_arg_bool));
  return add_constant(function, &FAMILY, cls.ctx, name, WR_KERNEL_BOOL, value);
}

void NAME(_free)(KERNEL cls) { kernel_free(TEXT(NAME(_free)), &FAMILY, cls.ctx); }

int NAME(_apply)(mlx_vector_array *outputs, KERNEL cls, const mlx_vector_array inputs,
                 const CONFIG config, const mlx_stream stream) {
  return apply(TEXT(KERNEL), &FAMILY, outputs, cls.ctx, inputs, config.ctx, stream);
}

#undef PASTE
#undef NAME_OF
#undef NAME
#undef TEXT_OF
#undef TEXT
#undef KERNEL
#undef CONFIG
