/* wr_json: what RFC 8259 allows and what it does not; depth; texts. */

#include "base/json.h"

#include <string.h>

#include "base/base.h"
#include "check.h"

static struct wr_json over(const char *text) {
  return (struct wr_json){text, strlen(text), 0, NULL};
}

static bool whole(const char *text) {
  struct wr_json j = over(text);
  bool good = wr_json_skip(&j) && wr_json_end(&j);
  CHECK(good == !j.fault);
  return good;
}

static void values(void) {
  static const char *const good[] = {"{}",
                                     "[]",
                                     " [ ] ",
                                     "0",
                                     "-0",
                                     "-1.5e+10",
                                     "1E5",
                                     "\"\"",
                                     "true",
                                     "false",
                                     "null",
                                     "[1,2,{\"a\":[{}]}]",
                                     "{\"a\":1,\"b\":[1,[2,[3]],{\"c\":null}]}",
                                     "\"\\u00e9\\ud83d\\ude00\"",
                                     "[[],[]]",
                                     "{\"\":{\"\":{}}}",
                                     "\t\r\n[\t1\r,\n2 ]",
                                     "\"\xc3\xa9\xf0\x9f\x98\x80\""};
  static const char *const bad[] = {"",
                                    " ",
                                    "{",
                                    "[",
                                    "]",
                                    "[1",
                                    "[1,",
                                    "[1,]",
                                    "[,1]",
                                    "{\"a\"}",
                                    "{\"a\":}",
                                    "{\"a\":1,}",
                                    "{a:1}",
                                    "01",
                                    "-",
                                    "1.",
                                    ".5",
                                    "1e",
                                    "+1",
                                    "tru",
                                    "nulll",
                                    "\"",
                                    "\"\\\"",
                                    "\"\\x\"",
                                    "\"\\u12\"",
                                    "\"\\ud800\"",
                                    "\"\\udc00\"",
                                    "\"\\ud800\\u0041\"",
                                    "\"\\u0000\"",
                                    "\"\n\"",
                                    "1 2",
                                    "[1}",
                                    "{\"a\":1]",
                                    "\"\x80\"",
                                    "\"\xc0\x80\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xf4\x90\x80\x80\"",
                                    "\"\xe2\x82\"",
                                    "NaN",
                                    "'a'",
                                    "{\"a\" 1}",
                                    "[1 2]",
                                    "\xef\xbb\xbf[]"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    if (!whole(good[i])) fprintf(stderr, "refused: %s\n", good[i]);
    CHECK(whole(good[i]));
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (whole(bad[i])) fprintf(stderr, "taken: %s\n", bad[i]);
    CHECK(!whole(bad[i]));
  }
}

static void depth(void) {
  enum { DEEP = 1000000 };
  char *text = wr_alloc(2 * DEEP + 1);
  for (int limit = WR_JSON_DEPTH; limit <= DEEP;
       limit = limit == WR_JSON_DEPTH ? limit + 1 : DEEP) {
    memset(text, '[', (size_t)limit);
    memset(text + limit, ']', (size_t)limit);
    text[2 * (size_t)limit] = '\0';
    CHECK(whole(text) == (limit <= WR_JSON_DEPTH));
    if (limit == DEEP) break;
  }
  wr_free(text);
}

static void texts(void) {
  struct wr_json j = over(" \"a\\n\\u00e9\\ud83d\\ude00\\\"\" ");
  char *text = wr_json_text(&j);
  CHECK(text && !strcmp(text, "a\n\xc3\xa9\xf0\x9f\x98\x80\"") && wr_json_end(&j));
  wr_free(text);
  j = over("\"k\" : 5");
  text = wr_json_name(&j);
  uint64_t value;
  CHECK(text && !strcmp(text, "k") && wr_json_u64(&j, &value) && value == 5);
  wr_free(text);
  j = over("\"k\" 5");
  CHECK(!wr_json_name(&j) && !strcmp(j.fault, "expected a colon") && j.at == 4);
}

static void numbers(void) {
  static const char *const bad[] = {"18446744073709551616", "-1", "1.0", "1e3", "00", "", "x"};
  uint64_t value;
  struct wr_json j = over("18446744073709551615");
  CHECK(wr_json_u64(&j, &value) && value == UINT64_MAX && wr_json_end(&j));
  j = over("0");
  CHECK(wr_json_u64(&j, &value) && value == 0);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    j = over(bad[i]);
    CHECK(!wr_json_u64(&j, &value) && j.fault);
  }
}

int main(void) {
  values();
  depth();
  texts();
  numbers();
  return 0;
}
