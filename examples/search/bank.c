/* A question is some words from the middle of a paragraph: enough to be recognised, and short as
   questions are. */
#include "bank.h"

#include <string.h>

enum { QUESTION_BYTES = 64 };

static struct question question_from(const struct corpus *corpus, int row) {
  const struct paragraph *const paragraph = &corpus->paragraphs[row];
  const char *text = corpus->files[paragraph->file].text + paragraph->begin;
  size_t size = paragraph->size;
  if (size > QUESTION_BYTES) {
    const char *const middle = text + (size - QUESTION_BYTES) / 2;
    const char *const space = memchr(middle, ' ', QUESTION_BYTES / 2);
    text = space != NULL ? space : middle; /* begins with a whole word where there is one */
    size = QUESTION_BYTES - (size_t)(text - middle);
  }
  return (struct question){.text = text, .size = size, .row = row};
}

void bank_fill(struct bank *bank, const struct corpus *corpus) {
  const size_t rows = corpus->paragraph_count;
  const size_t count = rows < BANK_MOST ? rows : BANK_MOST;
  for (size_t i = 0; i < count; i++) {
    bank->questions[i] = question_from(corpus, (int)(i * rows / count));
  }
  bank->count = (int)count;
}

int bank_answer(struct bank *bank, const struct index *index, int top, mlx_stream stream) {
  int rc = 0;
  for (int i = 0; i < bank->count && rc == 0; i++) {
    struct question *const question = &bank->questions[i];
    rc = query_answer(&question->answer, index, question->text, question->size, top, stream);
  }
  return rc;
}

static bool has_hit(const struct answer *answer, int row) {
  for (int i = 0; i < answer->count; i++) {
    if (answer->hits[i].row == row) return true;
  }
  return false;
}

int bank_found(const struct bank *bank) {
  int found = 0;
  for (int i = 0; i < bank->count; i++) {
    found += has_hit(&bank->questions[i].answer, bank->questions[i].row);
  }
  return found;
}
