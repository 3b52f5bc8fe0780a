# What `cmake --install` puts down: headers, the libraries, weir.pc, the package Weir, the licence and
# the guides, the command weir (the component tools); and, where it is asked for, the component mlxc.

include(CMakePackageConfigHelpers)

set(weir_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Weir")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")

# Two export sets: the static library needs threads from whoever links it, the shared one does not.
if(WEIR_SHARED)
  install(TARGETS weir EXPORT WeirShared)
  install(EXPORT WeirShared NAMESPACE Weir:: DESTINATION "${weir_package_dir}")
endif()
if(WEIR_STATIC)
  install(TARGETS weir_static EXPORT WeirStatic)
  install(EXPORT WeirStatic NAMESPACE Weir:: DESTINATION "${weir_package_dir}")
endif()

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs/" DESTINATION "${CMAKE_INSTALL_DOCDIR}/docs"
  FILES_MATCHING PATTERN "*.md" PATTERN "*.png")

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
set(weir_pc_private "-ldl -lm -pthread")
set(weir_pc_libs "-lweir")
if(NOT WEIR_SHARED)
  string(APPEND weir_pc_libs " ${weir_pc_private}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/weir.pc.in" "${PROJECT_BINARY_DIR}/weir.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/weir.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# The command, a Python program: what it asks is the library beside it.
set(weir_tool_dir "${PROJECT_SOURCE_DIR}/tools/weirtool")
install(PROGRAMS "${PROJECT_SOURCE_DIR}/tools/weir" DESTINATION "${CMAKE_INSTALL_BINDIR}"
  COMPONENT tools)
install(DIRECTORY "${weir_tool_dir}" DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/weir"
  COMPONENT tools FILES_MATCHING PATTERN "*.py" PATTERN "*.html" PATTERN "__pycache__" EXCLUDE)
install(FILES "${weir_tool_dir}/weir.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT tools)
install(FILES "${weir_tool_dir}/weir.bash" RENAME weir COMPONENT tools
  DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions")

include(WeirMlxc)
