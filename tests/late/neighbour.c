/* A library with much static thread-local memory, as OpenMP's, Python's and database clients' have:
   the C library must find BYTES of what little it keeps for libraries that a running program opens.
 */

_Thread_local char weir_test_neighbour[BYTES];

char *weir_test_neighbour_use(void);
char *weir_test_neighbour_use(void) { return weir_test_neighbour; }
