/* Opening OpenBLAS. It is opened when it is first needed and not linked, for two reasons. The
   threaded builds keep 60 KB of thread-local data: linked, these are part of every thread's stack,
   and a thread with a stack of 64 KB could not start (K13); opened, a thread gets them when it
   first needs them, from the heap. And a handler for the end of the process can be registered after
   the library is there (blas.c).

   The library is a copy of Weir's own (base/once.h), since it is given one thread, which is a
   setting of the whole library: a program that uses OpenBLAS too keeps its number of threads,
   whether it opened it before or does so later. The copy's own libraries come with it: its start
   takes some 3 ms, and 1 MB, most of which are pages of files. Nothing of it is needed around a
   fork: it has no threads, and the gate keeps everybody out. Its destructors run with all others,
   behind the gate.

   The build for POSIX threads comes first: its calls are safe side by side. Those of the serial one
   are not, as Debian builds it, and the one for OpenMP takes the number of threads from each
   calling thread's own OpenMP settings, which are not Weir's to change. */

#include "backend/cpu/blas/openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/found.h"
#include "base/gate.h"
#include "base/once.h"
#include "base/thread.h"

/* What openblas_get_parallel() returns for a build without threads. */
enum { SEQUENTIAL = 0 };

/* Where distributions put the builds. WR_LIBRARY_FOLDER is the system's folder for libraries. */
static const char *const places[] = {
    WR_LIBRARY_FOLDER "/openblas-pthread/libopenblas.so.0", "libopenblas.so.0", "libopenblas.so",
    WR_LIBRARY_FOLDER "/openblas-serial/libopenblas.so.0", "libscipy_openblas.so"};

/* The one that a Python package brings, which lies beside that of Weir; "" where there is none. */
static void beside_own_file(char *path, size_t bytes) {
  static const char there[] = "../scipy_openblas32/lib/libscipy_openblas.so";
  Dl_info own;
  *path = '\0';
  if (!dladdr(places, &own)) return;
  const char *slash = strrchr(own.dli_fname, '/');
  if (!slash) return;
  const int n =
      snprintf(path, bytes, "%.*s/%s", (int)(slash - own.dli_fname), own.dli_fname, there);
  if (n < 0 || (size_t)n >= bytes || access(path, R_OK)) *path = '\0';
}

static bool is_missing(const struct wr_refusal *why) { return strstr(why->text, "No such file"); }

/* What was refused for the moment is no reason to take the next one. Of several reasons the first
   is told that is not about a file which is not there. */
static void *open_first(struct wr_refusal *why) {
  const char *chosen = wr_env_get()->openblas;
  if (*chosen) return wr_library_open_apart(chosen, why);
  char beside[512];
  beside_own_file(beside, sizeof beside);
  if (*beside) return wr_library_open_apart(beside, why);
  void *library = wr_library_open_apart(places[0], why);
  for (size_t i = 1; !library && !why->for_now && i < sizeof places / sizeof places[0]; i++) {
    struct wr_refusal now;
    library = wr_library_open_apart(places[i], &now);
    if (!library && (now.for_now || is_missing(why))) *why = now;
  }
  return library;
}

struct symbol {
  const char *name;
  void *slot; /* where the function's address is written */
};

/* An OpenBLAS that was opened. */
struct opened {
  void *library;
  const char *prefix; /* of all its names: "", or as the builds for SciPy have them */
};

static void *address_of(const struct opened *o, const char *name) {
  char full[64];
  snprintf(full, sizeof full, "%s%s", o->prefix, name);
  return dlsym(o->library, full);
}

/* ISO C has no conversion between data and function pointers; POSIX gives both one form. */
static const char *first_missing(const struct opened *o, const struct symbol *symbols, size_t n) {
  for (size_t i = 0; i < n; i++) {
    void *address = address_of(o, symbols[i].name);
    if (!address) return symbols[i].name;
    memcpy(symbols[i].slot, &address, sizeof address);
  }
  return NULL;
}

static const char *prefix_of(void *library) {
  return dlsym(library, "scipy_cblas_sgemm") ? "scipy_" : "";
}

/* A build whose integers have 64 bits would read past the ints that it is given. It says so, or its
   functions have names of their own. */
static bool has_long_integers(const struct opened *o) {
  static const char *const marked[] = {"cblas_sgemm64_", "cblas_sgemm_64", "cblas_sgemm_64_",
                                       "scipy_cblas_sgemm64_"};
  char *(*config)(void);
  const struct symbol symbol = {"openblas_get_config", &config};
  if (!first_missing(o, &symbol, 1)) return strstr(config(), "USE64BITINT") != NULL;
  for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++) {
    if (dlsym(o->library, marked[i])) return true;
  }
  return false;
}

/* Builds without LAPACK have products all the same. */
static void find_lapack(struct wr_openblas *blas, const struct opened *o) {
  struct wr_lapack *l = &blas->lapack;
  const struct symbol symbols[] = {
      {"spotrf_", &l->potrf[0]}, {"dpotrf_", &l->potrf[1]}, {"strtri_", &l->trtri[0]},
      {"dtrtri_", &l->trtri[1]}, {"strtrs_", &l->trtrs[0]}, {"dtrtrs_", &l->trtrs[1]},
      {"sgetrf_", &l->getrf[0]}, {"dgetrf_", &l->getrf[1]}, {"sgetri_", &l->getri[0]},
      {"dgetri_", &l->getri[1]}, {"sgetrs_", &l->getrs[0]}, {"dgetrs_", &l->getrs[1]},
      {"sgeqrf_", &l->geqrf[0]}, {"dgeqrf_", &l->geqrf[1]}, {"sorgqr_", &l->orgqr[0]},
      {"dorgqr_", &l->orgqr[1]}, {"sgesdd_", &l->gesdd[0]}, {"dgesdd_", &l->gesdd[1]},
      {"cgesdd_", &l->cgesdd},   {"ssyevd_", &l->syevd[0]}, {"dsyevd_", &l->syevd[1]},
      {"cheevd_", &l->cheevd},   {"sgeev_", &l->geev[0]},   {"dgeev_", &l->geev[1]},
      {"cgeev_", &l->cgeev},
  };
  blas->lapack_lacks = first_missing(o, symbols, sizeof symbols / sizeof symbols[0]);
}

/* *absent: what is wrong stays so. */
static struct wr_error *open_library(struct wr_openblas *blas, bool *absent) {
  struct wr_refusal why;
  void *library = open_first(&why);
  *absent = library || !why.for_now;
  if (!library) {
    return wr_error_new(
        WEIR_ERROR_UNSUPPORTED,
        "products of complex matrices and linear algebra need OpenBLAS (on Debian and Ubuntu: "
        "libopenblas0-pthread), and it could not be opened: %s",
        why.text);
  }
  const struct opened opened = {library, prefix_of(library)};
  if (has_long_integers(&opened)) {
    return wr_error_new(
        WEIR_ERROR_UNSUPPORTED,
        "the OpenBLAS on this machine has 64-bit integers (ILP64), and products "
        "of complex matrices and linear algebra need one with 32-bit integers (LP64)");
  }
  void (*set_threads)(int);
  int (*get_parallel)(void);
  const struct symbol symbols[] = {
      {"cblas_cgemm", &blas->cgemm},
      {"openblas_set_num_threads", &set_threads},
      {"openblas_get_parallel", &get_parallel},
  };
  const char *missing = first_missing(&opened, symbols, sizeof symbols / sizeof symbols[0]);
  if (missing) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "the OpenBLAS on this machine has no %s", missing);
  }
  find_lapack(blas, &opened);
  /* Weir's pool spreads the slices; OpenBLAS's own threads would be a second pool on the same
     cores. */
  set_threads(1);
  char *(*config)(void) = NULL;
  const struct symbol about = {"openblas_get_config", &config};
  wr_found_library("OpenBLAS", library, first_missing(&opened, &about, 1) ? NULL : config());
  blas->one_at_a_time = get_parallel() == SEQUENTIAL;
  return NULL;
}

/* As it is opened, the library starts a thread for each processor but one that the calling thread
   may run on. */
static void stay_on_one_processor(void) {
  int here = sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  if (here < 0 || here >= CPU_SETSIZE) return;
  CPU_SET(here, &one);
  (void)sched_setaffinity(0, sizeof one, &one);
}

struct opening {
  struct wr_openblas *blas;
  struct wr_error *error;
  bool absent;
};

static void *open_alone(void *arg) {
  struct opening *opening = arg;
  wr_gate_lend(WR_GATE_PRODUCTS); /* of the caller, who waits for this thread */
  stay_on_one_processor();
  opening->error = open_library(opening->blas, &opening->absent);
  return NULL;
}

/* On a thread of its own: for the processor above, and since the caller's stack may be small. */
struct wr_error *wr_openblas_open(struct wr_openblas *blas, bool *absent) {
  struct opening opening = {.blas = blas};
  pthread_t thread;
  *absent = false;
  if (!wr_thread_start(NULL, open_alone, &opening, &thread)) {
    return wr_error_new(WEIR_ERROR_STATE,
                        "the system refuses the thread on which OpenBLAS is to "
                        "be opened: products of complex matrices and linear algebra need it");
  }
  pthread_join(thread, NULL);
  *absent = opening.absent;
  if (opening.error) wr_found_none("OpenBLAS", wr_error_message(opening.error));
  return opening.error;
}
