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

SPEED static struct OF(ends) OF(ends)(const E *p, int64_t n) {
  SIGNED high = (SIGNED)OF(bits)(p[0]);
  UNSIGNED far = OF(bits)(p[0]);
  for (int64_t i = 1; i < n; i++) {
    const UNSIGNED x = OF(bits)(p[i]);
    high = (SIGNED)x > high ? (SIGNED)x : high;
    far = x > far ? x : far;
  }
  return (struct OF(ends)){high, far};
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
#undef EL
#undef SIGNED
#undef UNSIGNED
