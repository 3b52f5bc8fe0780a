/* The page, page.html, as CMake puts it into the program. */
#ifndef WR_EXAMPLES_SERVE_PAGE_H
#define WR_EXAMPLES_SERVE_PAGE_H

#include <stddef.h>

extern const char page_html[];
extern const size_t page_html_size;

#endif
