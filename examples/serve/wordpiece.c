/* One pass over the text: each code point is cleaned, decomposed (NFD), freed of its accents and
   made lower case, then joins the word under way or ends it. A word that ends is cut into pieces,
   from the left, each time the longest that the vocabulary has; a word that cannot be cut whole is
   [UNK]. Schuster, Nakajima: Japanese and Korean Voice Search, 2012, as BERT uses it.

   Code points are decomposed one by one, so marks that Unicode would put in another order stay:
   those that are not dropped as accents are in no vocabulary of BERT's, and their words [UNK] in
   either order. */
#include "wordpiece.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "complain.h"

/* The numbers of BERT's special tokens; minilm.c's vocabulary has them at these lines. */
enum { ID_PAD = 0, ID_UNK = 100, ID_CLS = 101, ID_SEP = 102, ID_MASK = 103 };

enum { WORD_MOST = 100, CODE_BYTES = 4, DECOMPOSED_MOST = 32 };

struct wordpiece_entry {
  const char *text; /* NULL: a free place */
  size_t size;
  bool inner; /* "##" stood before it */
  int32_t id;
};

/* A word under way, and where the numbers go. */
struct encoder {
  const struct wordpiece *pieces;
  int32_t *ids;
  size_t count, most; /* `most` leaves room for [SEP] */
  char word[WORD_MOST * CODE_BYTES];
  size_t begin[WORD_MOST + 1]; /* where each code point of the word begins; the last: its end */
  size_t length;               /* code points; more than WORD_MOST are counted, not kept */
};

/* FNV-1a: Fowler, Noll, Vo. */
static size_t hash(const char *text, size_t size, bool inner) {
  uint64_t value = 0xcbf29ce484222325u ^ (uint64_t)inner;
  for (size_t i = 0; i < size; i++) value = (value ^ (unsigned char)text[i]) * 0x100000001b3u;
  return (size_t)(value ^ value >> 32);
}

/* The place of a piece, or the free one where it would stand. */
static struct wordpiece_entry *place(const struct wordpiece *pieces, const char *text, size_t size,
                                     bool inner) {
  size_t at = hash(text, size, inner) & pieces->mask;
  for (;; at = (at + 1) & pieces->mask) {
    struct wordpiece_entry *const entry = &pieces->table[at];
    if (entry->text == NULL) return entry;
    if (entry->size == size && entry->inner == inner && memcmp(entry->text, text, size) == 0) {
      return entry;
    }
  }
}

static void put(struct encoder *encoder, int32_t id) {
  if (encoder->count < encoder->most) encoder->ids[encoder->count++] = id;
}

/* The code points from `first` on that make the longest piece: its number and, in *stop, the code
   point behind it; or -1. */
static int32_t longest_piece(const struct encoder *encoder, size_t first, size_t *stop) {
  const char *const text = encoder->word + encoder->begin[first];
  for (*stop = encoder->length; *stop > first; (*stop)--) {
    const size_t size = encoder->begin[*stop] - encoder->begin[first];
    if (size > encoder->pieces->longest) continue;
    const struct wordpiece_entry *const entry = place(encoder->pieces, text, size, first > 0);
    if (entry->text != NULL) return entry->id;
  }
  return -1;
}

static void cut_word(struct encoder *encoder) {
  int32_t ids[WORD_MOST];
  size_t count = 0;
  size_t stop = 0;
  for (size_t first = 0; first < encoder->length; first = stop) {
    ids[count] = longest_piece(encoder, first, &stop);
    if (ids[count++] < 0) {
      put(encoder, ID_UNK);
      return;
    }
  }
  for (size_t i = 0; i < count; i++) put(encoder, ids[i]);
}

static void end_word(struct encoder *encoder) {
  if (encoder->length > WORD_MOST) {
    put(encoder, ID_UNK);
  } else {
    cut_word(encoder);
  }
  encoder->length = 0;
}

static void add_to_word(struct encoder *encoder, utf8proc_int32_t code) {
  if (encoder->length < WORD_MOST) {
    const size_t begin = encoder->begin[encoder->length];
    const utf8proc_ssize_t size =
        utf8proc_encode_char(code, (utf8proc_uint8_t *)encoder->word + begin);
    encoder->begin[encoder->length + 1] = begin + (size_t)size;
  }
  encoder->length++;
}

static bool is_space(utf8proc_int32_t code) {
  if (code == '\t' || code == '\n' || code == '\r') return true;
  const utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

/* What says nothing: controls, formats, private code points, and what stands for a
   letter that could not be read. White space comes before. */
static bool is_dropped(utf8proc_int32_t code) {
  if (code == 0xfffd) return true;
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
      return true;
    default:
      return false;
  }
}

/* BERT counts ASCII's symbols, such as $ and +, as punctuation too. */
static bool is_punctuation(utf8proc_int32_t code) {
  if (code < 0x80) {
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
           (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
  }
  const utf8proc_category_t category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/* The blocks that BERT takes for ideographs, each a word of its own. */
static bool is_ideograph(utf8proc_int32_t code) {
  static const struct {
    utf8proc_int32_t first, last;
  } blocks[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
  for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
    if (code >= blocks[i].first && code <= blocks[i].last) return true;
  }
  return false;
}

/* A code point of the normalised text. */
static void take_normal(struct encoder *encoder, utf8proc_int32_t code) {
  const bool alone = is_punctuation(code);
  if (alone || is_space(code)) end_word(encoder);
  if (!is_space(code)) add_to_word(encoder, code);
  if (alone) end_word(encoder);
}

static void take_letters(struct encoder *encoder, utf8proc_int32_t code) {
  utf8proc_int32_t parts[DECOMPOSED_MOST];
  int bound_class = UTF8PROC_BOUNDCLASS_START;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(code, parts, DECOMPOSED_MOST, UTF8PROC_DECOMPOSE, &bound_class);
  for (utf8proc_ssize_t i = 0; i < count && i < DECOMPOSED_MOST; i++) {
    if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) continue; /* an accent */
    take_normal(encoder, utf8proc_tolower(parts[i]));
  }
}

/* A code point of the text as it came. */
static void take(struct encoder *encoder, utf8proc_int32_t code) {
  if (is_space(code)) {
    end_word(encoder);
  } else if (is_ideograph(code)) {
    end_word(encoder);
    take_letters(encoder, code);
    end_word(encoder);
  } else if (!is_dropped(code)) {
    take_letters(encoder, code);
  }
}

/* A special token written out in the text counts as that token, as in the models' own tokenizers.
   Returns its bytes, 0 where there is none. */
static size_t take_special(struct encoder *encoder, const char *text, size_t size) {
  static const struct {
    const char *name;
    size_t size;
    int32_t id;
  } specials[] = {
      {"[PAD]", 5, ID_PAD}, {"[UNK]", 5, ID_UNK},   {"[CLS]", 5, ID_CLS},
      {"[SEP]", 5, ID_SEP}, {"[MASK]", 6, ID_MASK},
  };
  for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
    if (size < specials[i].size || memcmp(text, specials[i].name, specials[i].size) != 0) continue;
    end_word(encoder);
    put(encoder, specials[i].id);
    return specials[i].size;
  }
  return 0;
}

/* Takes what the text begins with; returns its bytes. */
static size_t step(struct encoder *encoder, const char *text, size_t size) {
  const size_t special = *text == '[' ? take_special(encoder, text, size) : 0;
  if (special > 0) return special;
  utf8proc_int32_t code = -1;
  const utf8proc_ssize_t bytes =
      utf8proc_iterate((const utf8proc_uint8_t *)text,
                       (utf8proc_ssize_t)(size < CODE_BYTES ? size : CODE_BYTES), &code);
  if (bytes <= 0) return 1;
  take(encoder, code);
  return (size_t)bytes;
}

size_t wordpiece_encode(const struct wordpiece *pieces, int32_t *ids, size_t most, const char *text,
                        size_t size) {
  struct encoder encoder = {.pieces = pieces, .ids = ids, .most = most - 1};
  put(&encoder, ID_CLS);
  for (size_t at = 0; at < size && encoder.count < encoder.most;) {
    at += step(&encoder, text + at, size - at);
  }
  end_word(&encoder);
  ids[encoder.count] = ID_SEP;
  return encoder.count + 1;
}

static char *read_whole(const char *path, size_t *size) {
  FILE *const file = fopen(path, "rb");
  if (file == NULL) return NULL;
  char *text = NULL;
  long end = -1;
  if (fseek(file, 0, SEEK_END) == 0) end = ftell(file);
  if (end >= 0 && fseek(file, 0, SEEK_SET) == 0) text = malloc((size_t)end + 1);
  if (text != NULL && fread(text, 1, (size_t)end, file) != (size_t)end) {
    free(text);
    text = NULL;
  }
  fclose(file);
  *size = end > 0 ? (size_t)end : 0;
  return text;
}

static size_t count_lines(const char *text, size_t size) {
  size_t lines = 0;
  for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
  return lines;
}

static void add_line(struct wordpiece *pieces, const char *line, size_t size) {
  const bool inner = size > 2 && line[0] == '#' && line[1] == '#';
  if (size > 0 && line[size - 1] == '\r') size--;
  if (inner) {
    line += 2;
    size -= 2;
  }
  struct wordpiece_entry *const entry = place(pieces, line, size, inner);
  if (entry->text == NULL) *entry = (struct wordpiece_entry){line, size, inner, pieces->count};
  if (size > pieces->longest) pieces->longest = size;
  pieces->count++;
}

static void add_lines(struct wordpiece *pieces, size_t size) {
  const char *line = pieces->text;
  const char *const end = line + size;
  while (line < end) {
    const char *const newline = memchr(line, '\n', (size_t)(end - line));
    const char *const stop = newline != NULL ? newline : end;
    add_line(pieces, line, (size_t)(stop - line));
    line = stop + 1;
  }
}

int wordpiece_load(struct wordpiece *pieces, const char *path) {
  size_t size = 0;
  *pieces = (struct wordpiece){.text = read_whole(path, &size)};
  if (pieces->text == NULL) {
    complain("%s: %s", path, strerror(errno));
    return 1;
  }
  size_t room = 16;
  while (room < 2 * (count_lines(pieces->text, size) + 1)) room *= 2;
  pieces->table = calloc(room, sizeof(*pieces->table));
  if (pieces->table == NULL) {
    complain("%s: out of memory", path);
    wordpiece_free(pieces);
    return 1;
  }
  pieces->mask = room - 1;
  add_lines(pieces, size);
  return 0;
}

void wordpiece_free(struct wordpiece *pieces) {
  free(pieces->table);
  free(pieces->text);
  *pieces = (struct wordpiece){0};
}
