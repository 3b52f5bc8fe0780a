/* Any bytes as JSON, skipped over and read as texts and numbers. */

#include "base/json.h"

#include "base/base.h"
#include "target.h"

static void read_one(struct wr_json *j) {
  uint64_t number;
  switch (wr_json_peek(j)) {
    case '"':
      wr_free(wr_json_text(j));
      break;
    case '{':
    case '[':
      (void)wr_json_skip(j);
      break;
    default:
      (void)wr_json_u64(j, &number);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct wr_json j = {.text = (const char *)data, .n = n};
  bool whole = wr_json_skip(&j) && wr_json_end(&j);
  MUST(whole == !j.fault && j.at <= n);
  j = (struct wr_json){.text = (const char *)data, .n = n};
  if (wr_json_enter(&j, '[')) {
    for (bool first = true; wr_json_next(&j, ']', first); first = false) read_one(&j);
  }
  MUST(j.at <= n);
  return 0;
}
