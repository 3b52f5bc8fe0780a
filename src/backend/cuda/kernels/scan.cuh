/* What scans have in common: lines, and what the tiles of one tell each other. Whoever includes this
   has total_t, join(total_t, total_t), join_lanes(total_t), which gives what the lanes up to this one come
   to, and nothing(), the total of no elements.

   A tile that is not its line's first needs what all before it come to. Each tells
   its own total as soon as it has it. GROUP tiles are a group, whose last tile tells the group's total
   as soon as it has heard those of the others; SPAN groups are a span, whose last tile tells what the
   line comes to up to there. A tile joins what the spans before it came to, the groups before it in its
   span, and the tiles before it in its group. So a line is read once and written once, as in a scan
   that looks back (Merrill and Garland, 2016), but what is joined with what depends on the tile's
   number alone, not on how far others have come: results have the same bits every time. Only spans
   wait for each other in a row, which are some tens of millions of elements each.

   A block waits for tiles of lower numbers alone. Numbers are drawn as blocks begin, so those tiles
   have begun on some multiprocessor, and the lowest tile that is not done waits for nothing.

   A total goes as words of 64 bits, half of each the total's and half a mark that it has been told, so
   that who sees the mark has the total: neither side has to order two accesses by a fence, which would
   wait for all that its thread has under way (PTX ISA: an access of 64 bits is never seen by halves, and
   a vector of them is one access for each). */

struct lines_of {
  i64 lines;
  i64 n;      /* extent of the axis */
  i64 stride; /* of the input along it */
  i64 inner;  /* of the result */
  i64 reverse, inclusive;
  i64 tiles; /* of a line */
};

/* As ops/scan.c has them. */
enum { THREADS = 256, GROUP = 32, SPAN = THREADS - 32, WARPS = THREADS / 32 };

INLINE i64 along(const lines_of &l, i64 i) { return l.reverse ? l.n - 1 - i : i; }

/* What tiles tell each other, WORDS words to each; all is 0 at first. Of each line: the totals of its
   tiles, of its groups, and what it comes to up to the end of each span. */
struct told {
  u32 *drawn;
  u64 *totals, *groups, *upto;
};

enum { WORDS = sizeof(total_t) / 4 };

union as_words {
  total_t total;
  u32 words[WORDS];
};

INLINE void tell(u64 *all, i64 i, total_t x) {
  as_words w;
  w.total = x;
#pragma unroll
  for (int k = 0; k < WORDS; k += 2) {
    asm volatile("st.volatile.global.v2.u64 [%0], {%1, %2};" ::"l"(all + i * WORDS + k),
                 "l"((u64)w.words[k] << 32 | 1u), "l"((u64)w.words[k + 1] << 32 | 1u)
                 : "memory");
  }
}
INLINE total_t hear(const u64 *all, i64 i) {
  as_words w;
#pragma unroll
  for (int k = 0; k < WORDS; k += 2) {
    u64 a, b;
    do {
      asm volatile("ld.volatile.global.v2.u64 {%0, %1}, [%2];"
                   : "=l"(a), "=l"(b)
                   : "l"(all + i * WORDS + k)
                   : "memory");
    } while (!((u32)a & (u32)b));
    w.words[k] = (u32)(a >> 32);
    w.words[k + 1] = (u32)(b >> 32);
  }
  return w.total;
}

/* A tile among those of its line. */
struct place {
  u32 in_group, in_span;    /* tiles of the group, groups of the span before it */
  i64 tile, group, span;    /* its own among all that tell */
  bool told_on, more_spans; /* others come behind it; there are spans before it */
};

INLINE place place_of(const lines_of &l, i64 line, u32 tile) {
  const i64 groups = (l.tiles + GROUP - 1) / GROUP, spans = (groups + SPAN - 1) / SPAN;
  const u32 group = tile / GROUP, span = group / SPAN;
  place p;
  p.in_group = tile % GROUP;
  p.in_span = group % SPAN;
  p.tile = line * l.tiles + tile;
  p.group = line * groups + group;
  p.span = line * spans + span;
  p.told_on = tile + 1 < l.tiles;
  p.more_spans = span > 0;
  return p;
}

/* What comes before this tile, which is not its line's first, for all threads of the block; its own
   total is `own`. The first warp hears the tiles, and tells what its group comes to without waiting
   for anything else; the other warps hear the groups, the last thread the spans. */
INLINE total_t look_back(const told &t, const place &p, total_t own) {
  __shared__ total_t sums[WARPS];
  __shared__ total_t upto;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const u32 others = warp == 0 ? p.in_group : p.in_span, i = warp == 0 ? lane : threadIdx.x - 32;
  total_t x = nothing();
  if (i < others) {
    const i64 at = warp == 0 ? p.tile - others + i : p.group - others + i;
    x = hear(warp == 0 ? t.totals : t.groups, at);
  }
  if (threadIdx.x == THREADS - 1 && p.more_spans) {
    upto = hear(t.upto, p.span - 1);
  }
  x = join_lanes(x);
  if (i < others && (lane == 31 || i == others - 1)) sums[warp] = x;
  const bool ends_group = p.told_on && p.in_group == GROUP - 1, ends_span = p.in_span == SPAN - 1;
  if (warp == 0 && lane == GROUP - 2 && ends_group && !ends_span) {
    tell(t.groups, p.group, join(x, own));
  }
  __syncthreads();
  bool any = p.more_spans;
  total_t sum = upto;
  for (u32 w = 1; w < WARPS && (w - 1) * 32 < p.in_span; w++) {
    sum = any ? join(sum, sums[w]) : sums[w];
    any = true;
  }
  if (p.in_group > 0) sum = any ? join(sum, sums[0]) : sums[0];
  if (threadIdx.x == 0 && ends_group && ends_span) {
    tell(t.upto, p.span, join(sum, own));
  }
  return sum;
}

/* Which tile this block takes. `t` is only looked at where a line has more than one. The first tiles
   of all lines are drawn first, so that there are many to work on while few wait. */
INLINE u32 draw(const told &t, const lines_of &l) {
  __shared__ u32 number;
  if (l.tiles == 1) return blockIdx.x;
  if (threadIdx.x == 0) number = atomicAdd(t.drawn, 1u);
  __syncthreads();
  return number;
}

/* What comes before the warp's part of a tile: `before` of the tile's own, which comes to `all`. */
INLINE total_t carry_of(const told &t, const lines_of &l, i64 line, u32 tile, total_t before,
                        total_t all) {
  if (l.tiles == 1) return before;
  const place at = place_of(l, line, tile);
  if (threadIdx.x == 0 && at.told_on && at.in_group < GROUP - 1) tell(t.totals, at.tile, all);
  if (tile == 0) return before;
  const total_t sum = look_back(t, at, all);
  return threadIdx.x < 32 ? sum : join(sum, before);
}
