#ifndef WR_BASE_FOUND_H
#define WR_BASE_FOUND_H

/* WEIR_INFO=1: a line on stderr for what the library finds on the machine, as it looks for it:
   where it is, or why it is not there. Nothing otherwise. Any thread. */

/* The file behind `library`, as dlopen gave it, and what it says of itself, or NULL. */
void wr_found_library(const char *what, void *library, const char *says);
/* Why it cannot be used. */
void wr_found_none(const char *what, const char *why);

#endif
