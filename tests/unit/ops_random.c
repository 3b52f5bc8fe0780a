/* Keys and their order (W4): MLX's words for a key, the seeding thread's sequence, other threads'
   distinct ones, which a seed makes reproducible, and the laziness of all that. Reference words are
   those that MLX 0.32 draws. */

#include <pthread.h>

#include "ops_case.h"

/* The first word drawn with the thread's next key. */
static uint32_t draw(void) {
  struct wr_node *bits = NULL;
  const void *data = NULL;
  int32_t one = 1;
  EXPECT(wr_ops_random_bits(&bits, &one, 1, 4, NULL, ops_stream()) == NULL);
  EXPECT(wr_node_host_data(bits, &data) == NULL);
  uint32_t word = data ? *(const uint32_t *)data : 0;
  wr_node_release(bits);
  return word;
}

static void *draw_two(void *arg) {
  uint32_t *words = arg;
  words[0] = draw();
  words[1] = draw();
  return NULL;
}

static void draw_on_thread(uint32_t words[2]) {
  pthread_t thread;
  if (EXPECT(pthread_create(&thread, NULL, draw_two, words) == 0)) pthread_join(thread, NULL);
}

static void test_split(void) {
  static const uint32_t expected[8] = {4213856276u, 1524721184u, 2818244318u, 4202205405u,
                                       1731468746u, 2158011154u, 1115166609u, 2400622352u};
  struct wr_node *key = NULL, *rows = NULL;
  const void *data = NULL;
  EXPECT(wr_ops_random_key(&key, 11) == NULL);
  EXPECT(wr_ops_random_split(&rows, key, 4, ops_stream()) == NULL);
  EXPECT(ops_has_shape(rows, 2, SHAPE(4, 2)) && wr_node_host_data(rows, &data) == NULL);
  EXPECT(data && memcmp(data, expected, sizeof expected) == 0);
  wr_node_release(rows);
  wr_node_release(key);
}

/* seed(5), then two draws: what MLX gives for uniform after the same seed. */
static void test_seeded_sequence(void) {
  struct wr_node *low = ops_zeros(0, NULL, WR_FLOAT32), *high = NULL, *u = NULL;
  float one = 1.0f;
  EXPECT(wr_node_from_data(&high, &one, 0, NULL, WR_FLOAT32) == NULL);
  static const float expected[2][2] = {{0.408824f, 0.480646f}, {0.445342f, 0.303383f}};
  EXPECT(wr_ops_random_seed(5) == NULL);
  for (int i = 0; i < 2; i++) {
    const void *data = NULL;
    EXPECT(wr_ops_random_uniform(&u, low, high, SHAPE(2), 1, WR_FLOAT32, NULL, ops_stream()) ==
           NULL);
    EXPECT(wr_node_host_data(u, &data) == NULL);
    for (int j = 0; data && j < 2; j++) {
      float d = ((const float *)data)[j] - expected[i][j];
      EXPECT(d < 1e-5f && d > -1e-5f);
    }
    wr_node_release(u);
  }
  wr_node_release(high);
  wr_node_release(low);
}

static void test_threads(void) {
  uint32_t mine[2], first[2], second[2], again[2];
  EXPECT(wr_ops_random_seed(9) == NULL);
  draw_two(mine);
  draw_on_thread(first);
  draw_on_thread(second);
  EXPECT(memcmp(mine, first, sizeof mine) != 0);
  EXPECT(memcmp(first, second, sizeof first) != 0);
  EXPECT(wr_ops_random_seed(9) == NULL);
  draw_on_thread(again);
  EXPECT(memcmp(first, again, sizeof first) == 0);
  draw_on_thread(again);
  EXPECT(memcmp(second, again, sizeof second) == 0);
  draw_two(again);
  EXPECT(memcmp(mine, again, sizeof mine) == 0);
}

int main(void) {
  uint32_t before[2], other[2];
  draw_two(before);
  draw_on_thread(other);
  EXPECT(memcmp(before, other, sizeof before) != 0);
  test_split();
  test_seeded_sequence();
  test_threads();
  return ops_case_failures() != 0;
}
