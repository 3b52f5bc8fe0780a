# Writes the C file that carries the CUDA source in src/backend/cuda/kernels as texts. Run as a
# script: cmake -DFOLDER=... -DOUTPUT=... -P WeirEmbed.cmake
# Bytes, not string literals: C promises no more than 4095 characters in one.

file(GLOB files RELATIVE "${FOLDER}" "${FOLDER}/*.cu" "${FOLDER}/*.cuh")
list(SORT files)

set(texts "")
set(sources "")
set(header_texts "")
set(header_names "")
set(header_count 0)
foreach(name IN LISTS files)
  file(READ "${FOLDER}/${name}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "[^a-z0-9]" "_" symbol "${name}")
  string(APPEND texts "static const char text_${symbol}[] = {${bytes}0};\n")
  if(name MATCHES "\\.cuh$")
    string(APPEND header_texts "    text_${symbol},\n")
    string(APPEND header_names "    \"${name}\",\n")
    math(EXPR header_count "${header_count} + 1")
  else()
    string(APPEND sources "    {\"${name}\", text_${symbol}},\n")
  endif()
endforeach()

file(WRITE "${OUTPUT}" "\
/* Made by cmake/WeirEmbed.cmake from src/backend/cuda/kernels. */

#include <stddef.h>
#include <string.h>

#include \"backend/cuda/codegen/kernel_sources.h\"

${texts}
static const struct {
  const char *name;
  const char *text;
} sources[] = {
${sources}};

const char *wr_kernel_source(const char *name) {
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
    if (strcmp(sources[i].name, name) == 0) return sources[i].text;
  }
  return NULL;
}

const int wr_kernel_header_count = ${header_count};
const char *const wr_kernel_header_texts[] = {
${header_texts}};
const char *const wr_kernel_header_names[] = {
${header_names}};
")
