# Finds OpenBLAS and its cblas.h: Debian's serial variant first, then pkg-config's, then any in the
# standard places, where distributions put them into subfolders named after the variant. Serial,
# since Weir's pool spreads the work, and since the threaded ones keep 60 KB of thread-local data,
# which count against every thread's stack: a program linked with one cannot start a thread with a
# 64 KB stack. The variants share one SONAME, so whoever links the library also records its folder
# in the run path (OpenBLAS_RUNPATH, empty where the loader looks anyway).
# Defines the target OpenBLAS::OpenBLAS. Installed beside WeirConfig.cmake for libweir.a.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_OpenBLAS QUIET openblas)
endif()

# CMake tries hints before everything else, so the serial variant is a hint too, the first one.
set(_openblas_serial "")
foreach(_prefix IN ITEMS /usr /usr/local)
  foreach(_kind IN ITEMS include lib)
    list(APPEND _openblas_serial
      "${_prefix}/${_kind}/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial"
      "${_prefix}/${_kind}/openblas-serial")
  endforeach()
endforeach()
set(_openblas_suffixes openblas openblas-pthread openblas-openmp)
# openblas_config.h tells OpenBLAS's folder from that of another BLAS, which has a cblas.h too.
find_path(OpenBLAS_INCLUDE_DIR
  NAMES openblas_config.h
  HINTS ${_openblas_serial} ${PC_OpenBLAS_INCLUDE_DIRS}
  PATH_SUFFIXES ${_openblas_suffixes})
find_library(OpenBLAS_LIBRARY
  NAMES openblas
  HINTS ${_openblas_serial} ${PC_OpenBLAS_LIBRARY_DIRS}
  PATH_SUFFIXES ${_openblas_suffixes})
unset(_openblas_serial)
unset(_openblas_suffixes)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS
  REQUIRED_VARS OpenBLAS_LIBRARY OpenBLAS_INCLUDE_DIR
  VERSION_VAR PC_OpenBLAS_VERSION
  REASON_FAILURE_MESSAGE "on Debian and Ubuntu: apt-get install libopenblas-serial-dev")
mark_as_advanced(OpenBLAS_INCLUDE_DIR OpenBLAS_LIBRARY)

set(OpenBLAS_RUNPATH "")
if(OpenBLAS_LIBRARY MATCHES "^(.*/openblas-[a-z]+)/[^/]*$")
  set(OpenBLAS_RUNPATH "${CMAKE_MATCH_1}")
endif()

if(OpenBLAS_FOUND AND NOT TARGET OpenBLAS::OpenBLAS)
  add_library(OpenBLAS::OpenBLAS UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::OpenBLAS PROPERTIES
    IMPORTED_LOCATION "${OpenBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OpenBLAS_INCLUDE_DIR}")
endif()
