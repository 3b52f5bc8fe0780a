#ifndef WR_API_VALUE_H
#define WR_API_VALUE_H

/* One element of an array as a value of the widest type of its kind: for items and for text. */

#include <stdint.h>

#include "api/api.h"

enum wr_api_form { WR_FORM_SIGNED, WR_FORM_UNSIGNED, WR_FORM_REAL };

struct wr_api_value {
  enum wr_api_form form;
  int64_t i;  /* of SIGNED */
  uint64_t u; /* of UNSIGNED, which bool is too */
  double re;  /* of REAL: floats, exactly, and complex numbers */
  double im;
};

/* The element of that type at `at`, which need not be aligned. */
struct wr_api_value wr_api_load(enum wr_dtype dtype, const void *at);

#endif
