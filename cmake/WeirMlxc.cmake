# The component mlxc: what programs look for that were written for mlx-c, so that they build and run
# on Weir as they are. It stands where a real mlx-c would, so it is installed only where it is asked
# for: `cmake --install BUILD --component mlxc`, beside the rest, or `make install-mlxc`.
#
#   libmlxc.so libmlxc.a   symbolic links to Weir's: linkers want the symbols in the file itself, and
#                          one process has one Weir, whatever it was linked with
#   libmlx.so libmlx.a     the one C++ function that such programs call of MLX itself
#   libgguflib.a           an empty archive, which static builds of mlx-c name
#   mlx.metallib           an empty file, which loaders look for on any system
#   mlx/version.h, mlx/stream.h, mlxc.pc, the CMake package MLXC with the target mlxc

set(weir_mlxc_folder "${PROJECT_BINARY_DIR}/mlxc")
set(weir_mlxc_source "${PROJECT_SOURCE_DIR}/mlxc")
set(weir_mlxc_version 0.6.0) # mlx-c's own, of the release whose functions Weir has

# MLX's is written once, in the library.
file(STRINGS "${PROJECT_SOURCE_DIR}/src/api/version.c" weir_mlx_line REGEX "compatible_with\\[\\]")
if(NOT weir_mlx_line MATCHES "\"([0-9]+)\\.([0-9]+)\\.([0-9]+)\"")
  message(FATAL_ERROR "src/api/version.c does not say which version of MLX it is compatible with")
endif()
set(weir_mlx_MAJOR ${CMAKE_MATCH_1})
set(weir_mlx_MINOR ${CMAKE_MATCH_2})
set(weir_mlx_PATCH ${CMAKE_MATCH_3})

# weir_install_mlxc(DESTINATION FILE...)
function(weir_install_mlxc destination)
  install(FILES ${ARGN} DESTINATION "${destination}" COMPONENT mlxc EXCLUDE_FROM_ALL)
endfunction()

# weir_link_mlxc(NAME TARGET_FILE): a link that is installed beside the file it names.
function(weir_link_mlxc name to)
  file(MAKE_DIRECTORY "${weir_mlxc_folder}")
  file(CREATE_LINK "${to}" "${weir_mlxc_folder}/${name}" SYMBOLIC)
  weir_install_mlxc("${CMAKE_INSTALL_LIBDIR}" "${weir_mlxc_folder}/${name}")
endfunction()

# weir_add_mlx(KIND): libmlx.
function(weir_add_mlx kind)
  string(TOLOWER weir_mlx_${kind} target)
  add_library(${target} ${kind} "${weir_mlxc_source}/clear_streams.c")
  weir_compile_as_own(${target})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME mlx
    POSITION_INDEPENDENT_CODE ON
    INSTALL_RPATH "$ORIGIN"
    ARCHIVE_OUTPUT_DIRECTORY "${weir_mlxc_folder}"
    LIBRARY_OUTPUT_DIRECTORY "${weir_mlxc_folder}")
  add_dependencies(weir_libraries ${target})
  install(TARGETS ${target}
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT mlxc EXCLUDE_FROM_ALL
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT mlxc EXCLUDE_FROM_ALL)
endfunction()

set(weir_mlxc_soname "libweir.so.${PROJECT_VERSION_MAJOR}")
string(REPLACE "-lweir" "-lmlxc" weir_mlxc_libs "${weir_pc_libs}")
if(WEIR_STATIC)
  weir_link_mlxc(libmlxc.a libweir.a)
  weir_add_mlx(STATIC)
  set(weir_mlxc_kind STATIC)
  set(weir_mlxc_file libmlxc.a)
endif()
if(WEIR_SHARED)
  weir_link_mlxc(libmlxc.so ${weir_mlxc_soname})
  weir_add_mlx(SHARED)
  target_link_libraries(weir_mlx_shared PRIVATE weir)
  target_link_options(weir_mlx_shared PRIVATE ${weir_sanitize_flags})
  set(weir_mlxc_kind SHARED)
  set(weir_mlxc_file libmlxc.so)
endif()

file(WRITE "${weir_mlxc_folder}/libgguflib.a" "!<arch>\n")
file(WRITE "${weir_mlxc_folder}/mlx.metallib" "")
weir_install_mlxc("${CMAKE_INSTALL_LIBDIR}"
  "${weir_mlxc_folder}/libgguflib.a" "${weir_mlxc_folder}/mlx.metallib")

configure_file("${weir_mlxc_source}/mlx/version.h.in" "${weir_mlxc_folder}/version.h" @ONLY)
weir_install_mlxc("${CMAKE_INSTALL_INCLUDEDIR}/mlx"
  "${weir_mlxc_source}/mlx/stream.h" "${weir_mlxc_folder}/version.h")

configure_file("${weir_mlxc_source}/mlxc.pc.in" "${weir_mlxc_folder}/mlxc.pc" @ONLY)
weir_install_mlxc("${CMAKE_INSTALL_LIBDIR}/pkgconfig" "${weir_mlxc_folder}/mlxc.pc")

# Where mlx-c has it.
set(weir_mlxc_package "${CMAKE_INSTALL_DATADIR}/cmake/MLXC")
configure_package_config_file(
  "${weir_mlxc_source}/MLXCConfig.cmake.in" "${weir_mlxc_folder}/MLXCConfig.cmake"
  INSTALL_DESTINATION "${weir_mlxc_package}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file("${weir_mlxc_folder}/MLXCConfigVersion.cmake"
  VERSION ${weir_mlxc_version} COMPATIBILITY SameMajorVersion)
weir_install_mlxc("${weir_mlxc_package}"
  "${weir_mlxc_folder}/MLXCConfig.cmake" "${weir_mlxc_folder}/MLXCConfigVersion.cmake")
