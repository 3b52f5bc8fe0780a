# What `cmake --install` puts down: headers, both libraries, weir.pc and the package Weir; and, where
# it is asked for, the component mlxc.

include(CMakePackageConfigHelpers)

set(weir_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Weir")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")

# Two export sets: the static library needs threads from whoever links it, the shared one does not.
install(TARGETS weir EXPORT WeirShared)
install(TARGETS weir_static EXPORT WeirStatic)
install(EXPORT WeirShared NAMESPACE Weir:: DESTINATION "${weir_package_dir}")
install(EXPORT WeirStatic NAMESPACE Weir:: DESTINATION "${weir_package_dir}")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/WeirConfig.cmake.in" "${PROJECT_BINARY_DIR}/WeirConfig.cmake"
  INSTALL_DESTINATION "${weir_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/WeirConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/WeirConfig.cmake"
  "${PROJECT_BINARY_DIR}/WeirConfigVersion.cmake"
  DESTINATION "${weir_package_dir}")

# The pkg-config file finds its prefix from where it lies: an install can be moved.
set(weir_pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH weir_pc_to_prefix "${weir_pc_dir}" "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/weir.pc.in" "${PROJECT_BINARY_DIR}/weir.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/weir.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

include(WeirMlxc)
