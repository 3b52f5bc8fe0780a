/* Runs guided.c on files, where there is no libFuzzer: guided_corpus FOLDER. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const char *folder, const char *name) {
  static uint8_t data[1 << 16];
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL);
  size_t size = fread(data, 1, sizeof data, file);
  fclose(file);
  LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  DIR *folder = opendir(argv[1]);
  CHECK(folder != NULL);
  int count = 0;
  for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    fprintf(stderr, "%s\n", entry->d_name);
    run(argv[1], entry->d_name);
    count++;
  }
  closedir(folder);
  printf("%d programs\n", count);
  return count > 0 ? 0 : 1;
}
