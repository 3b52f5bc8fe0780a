/* Template: the transform of one dense row in place, for one type. Included by hadamard.c with
     T        float or double
     NAME(f)  name of a function for it */

/* Pairs a distance apart become their sum and difference: the matrix of order 2^k, in its natural
   order, on each of the row's segments. */
static void NAME(butterflies)(T *x, int64_t n, int64_t segment) {
  for (int64_t h = 1; h < segment; h *= 2) {
    for (int64_t i = 0; i < n; i += 2 * h) {
      T *a = x + i, *b = x + i + h;
      for (int64_t j = 0; j < h; j++) {
        const T sum = a[j] + b[j], difference = a[j] - b[j];
        a[j] = sum;
        b[j] = difference;
      }
    }
  }
}

/* The matrix of order m across the segments, and the scale. */
static void NAME(across)(const struct hadamard *g, T *x) {
  for (int64_t j = 0; j < g->segment; j++) {
    T y[WR_HADAMARD_MOST];
    for (int i = 0; i < g->m; i++) y[i] = x[i * g->segment + j];
    for (int i = 0; i < g->m; i++) {
      T sum = 0;
      for (int k = 0; k < g->m; k++) sum += (g->rows[i] >> k & 1u) ? -y[k] : y[k];
      x[i * g->segment + j] = sum * (T)g->scale;
    }
  }
}

static void NAME(row)(const struct hadamard *g, void *row) {
  NAME(butterflies)(row, g->m * g->segment, g->segment);
  NAME(across)(g, row);
}

#undef T
#undef NAME
