# Finds OpenBLAS and its cblas.h: through pkg-config where there is one that knows it, else in the
# standard places, where distributions put the header into a subfolder named after the variant.
# Defines the target OpenBLAS::OpenBLAS. Installed beside WeirConfig.cmake for libweir.a.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_OpenBLAS QUIET openblas)
endif()

set(_openblas_suffixes openblas-pthread openblas openblas-serial openblas-openmp)
# openblas_config.h tells OpenBLAS's folder from that of another BLAS, which has a cblas.h too.
find_path(OpenBLAS_INCLUDE_DIR
  NAMES openblas_config.h
  HINTS ${PC_OpenBLAS_INCLUDE_DIRS}
  PATH_SUFFIXES ${_openblas_suffixes})
find_library(OpenBLAS_LIBRARY
  NAMES openblas
  HINTS ${PC_OpenBLAS_LIBRARY_DIRS}
  PATH_SUFFIXES ${_openblas_suffixes})
unset(_openblas_suffixes)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLAS
  REQUIRED_VARS OpenBLAS_LIBRARY OpenBLAS_INCLUDE_DIR
  VERSION_VAR PC_OpenBLAS_VERSION
  REASON_FAILURE_MESSAGE "on Debian and Ubuntu: apt-get install libopenblas-dev")
mark_as_advanced(OpenBLAS_INCLUDE_DIR OpenBLAS_LIBRARY)

if(OpenBLAS_FOUND AND NOT TARGET OpenBLAS::OpenBLAS)
  add_library(OpenBLAS::OpenBLAS UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::OpenBLAS PROPERTIES
    IMPORTED_LOCATION "${OpenBLAS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${OpenBLAS_INCLUDE_DIR}")
endif()
