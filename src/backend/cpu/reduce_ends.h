/* Template: the greatest and the least of floats that lie one after the other, by their bits as
   whole numbers, which compilers fold in the widest registers, as they do not fold floats. Included
   by reduce_kernels.c with EL (f32 or f64), SIGNED and UNSIGNED, the whole numbers of its size, and
   SPEED, which is WR_WIDE; it undefines all but that.

   As signed numbers the bits of all that are not negative stand in their order, and above those
   that are; as unsigned ones the bits of negative elements stand above the others, the farther from
   0 the higher. NaN lies outside the infinities in either. So one pass, of two steps an element,
   finds NaN, the greatest where one is not negative, and the least where one is. Of elements that
   all have the other sign the one nearest to 0 is looked for in a second, and so is the first of
   zeros, which are equal, whatever their signs. */

#define E WR_PASTE(wr_el_, EL)
#define OF(name) WR_PASTE(name##_, EL)
#define LANES_OF_ENDS (BYTES_OF_ENDS / (int)sizeof(E))

static inline UNSIGNED OF(bits)(E x) {
  UNSIGNED bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline E OF(number)(UNSIGNED bits) {
  E x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

struct OF(ends) {
  SIGNED high;
  UNSIGNED far;
};

static inline void OF(add_to_ends)(struct OF(ends) * ends, E x) {
  const UNSIGNED bits = OF(bits)(x);
  ends->high = (SIGNED)bits > ends->high ? (SIGNED)bits : ends->high;
  ends->far = bits > ends->far ? bits : ends->far;
}

/* Of a few: no lanes to set up and to join. */
WR_INLINE struct OF(ends) OF(ends_of_few)(const E *p, int64_t n) {
  struct OF(ends) ends = {(SIGNED)OF(bits)(p[0]), OF(bits)(p[0])};
  for (int64_t i = 1; i < n; i++) OF(add_to_ends)(&ends, p[i]);
  return ends;
}

/* In as many lanes as keep the loads going; the last ones are taken of elements some of which were
   there already. */
WR_INLINE struct OF(ends) OF(ends_of_lanes)(const E *p, int64_t n) {
  SIGNED high[LANES_OF_ENDS];
  UNSIGNED far[LANES_OF_ENDS];
  for (int l = 0; l < LANES_OF_ENDS; l++) {
    far[l] = OF(bits)(p[n - LANES_OF_ENDS + l]);
    high[l] = (SIGNED)far[l];
  }
  for (int64_t i = 0; i + LANES_OF_ENDS < n; i += LANES_OF_ENDS) {
    for (int l = 0; l < LANES_OF_ENDS; l++) {
      const UNSIGNED x = OF(bits)(p[i + l]);
      high[l] = (SIGNED)x > high[l] ? (SIGNED)x : high[l];
      far[l] = x > far[l] ? x : far[l];
    }
  }
  for (int half = LANES_OF_ENDS / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; l++) {
      high[l] = high[l + half] > high[l] ? high[l + half] : high[l];
      far[l] = far[l + half] > far[l] ? far[l + half] : far[l];
    }
  }
  return (struct OF(ends)){high[0], far[0]};
}

SPEED static struct OF(ends) OF(ends)(const E *p, int64_t n) {
  return n < 2 * LANES_OF_ENDS ? OF(ends_of_few)(p, n) : OF(ends_of_lanes)(p, n);
}

SPEED static E OF(nearest)(const E *p, int64_t n) {
  UNSIGNED near = OF(bits)(p[0]);
  for (int64_t i = 1; i < n; i++) {
    const UNSIGNED x = OF(bits)(p[i]);
    near = x < near ? x : near;
  }
  return OF(number)(near);
}

static inline bool OF(has_nan)(struct OF(ends) ends) {
  const UNSIGNED infinity = OF(bits)((E)INFINITY), below = OF(bits)(-(E)INFINITY);
  return ends.high > (SIGNED)infinity || ends.far > below;
}

/* `best`, which is among them, or the first that is equal to it. */
static E OF(first)(E best, const E *p) {
  if (best != 0) return best;
  while (*p != 0) p++;
  return *p;
}

static E OF(max_best)(const E *p, int64_t n) {
  const struct OF(ends) ends = OF(ends)(p, n);
  if (OF(has_nan)(ends)) return (E)NAN;
  return OF(first)(ends.high >= 0 ? OF(number)((UNSIGNED)ends.high) : OF(nearest)(p, n), p);
}

static E OF(min_best)(const E *p, int64_t n) {
  const struct OF(ends) ends = OF(ends)(p, n);
  if (OF(has_nan)(ends)) return (E)NAN;
  return OF(first)((SIGNED)ends.far < 0 ? OF(number)(ends.far) : OF(nearest)(p, n), p);
}

static inline bool OF(is_nan)(E x) { return x != x; }

#undef E
#undef OF
#undef LANES_OF_ENDS
#undef EL
#undef SIGNED
#undef UNSIGNED
