# Writes the C file that carries page.html. Run as a script: cmake -DINPUT=... -DOUTPUT=... -P embed.cmake
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE "${OUTPUT}" "/* Made of page.html by embed.cmake. */
#include \"page.h\"

const char page_html[] = {${bytes}'\\0'};
const size_t page_html_size = sizeof(page_html) - 1;
")
