# How Weir is compiled and linked: warnings, visibility, optimisation by folder, sanitizers.

set(weir_warnings -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(WEIR_WERROR)
  list(APPEND weir_warnings -Werror)
endif()

set(weir_sanitize_flags "")
if(WEIR_SANITIZE)
  set(weir_sanitize_flags -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
endif()

# Of these NaN, infinities and the order of sums do not survive; base/base.h asks the compiler too.
set(weir_no_math
  "(^|[ ;])(-Ofast|-ffast-math|-funsafe-math-optimizations|-ffinite-math-only|-fassociative-math|-freciprocal-math|-fno-signed-zeros)($|[ ;])")
get_directory_property(weir_own_options COMPILE_OPTIONS)
foreach(flags IN ITEMS
    "${CMAKE_C_FLAGS}" "${CMAKE_C_FLAGS_RELEASE}" "${CMAKE_C_FLAGS_RELWITHDEBINFO}"
    "${CMAKE_C_FLAGS_DEBUG}" "${CMAKE_C_FLAGS_MINSIZEREL}" "${weir_own_options}")
  if(flags MATCHES "${weir_no_math}")
    message(FATAL_ERROR "Weir cannot be compiled with ${CMAKE_MATCH_2}: NaN, infinities and the "
      "order of sums are part of its results. Leave it out of the flags \"${flags}\".")
  endif()
endforeach()

# Optimised in every configuration but Debug, whatever flags a configuration has: distributions
# build with None, and a project that adds this one often sets none at all. -O2; the kernels alone go
# further (weir_flags_by_folder). Somebody who asks for no optimisation in CFLAGS gets none.
set(weir_optimise $<$<NOT:$<CONFIG:Debug,MinSizeRel>>:-O2>)
set(weir_optimise_kernels $<$<NOT:$<CONFIG:Debug>>:-O3>)
if(CMAKE_C_FLAGS MATCHES "(^| )-O[0g]( |$)")
  set(weir_optimise "")
  set(weir_optimise_kernels "")
endif()

# Small operations cross every layer, so release builds, and those of no configuration of ours,
# inline between files, kernels apart. The objects hold ordinary code too, and libweir.a that alone: any compiler and version can link it.
set(weir_lto_flags "")
set(weir_fat_flags "")
include(CheckIPOSupported)
check_ipo_supported(RESULT weir_has_lto OUTPUT weir_lto_output LANGUAGES C)
if(weir_has_lto AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_OBJCOPY AND NOT WEIR_SANITIZE)
  set(weir_inlines_between_files $<NOT:$<CONFIG:Debug,MinSizeRel,RelWithDebInfo>>)
  set(weir_lto_flags $<${weir_inlines_between_files}:-flto=auto>)
  set(weir_fat_flags $<${weir_inlines_between_files}:-ffat-lto-objects>)
endif()

# Where the system keeps its libraries, for those that are opened at run time.
set(weir_library_folder /usr/lib)
if(CMAKE_LIBRARY_ARCHITECTURE)
  string(APPEND weir_library_folder "/${CMAKE_LIBRARY_ARCHITECTURE}")
endif()

set(weir_definitions _GNU_SOURCE= $<$<CONFIG:Debug>:WR_DEBUG=1>)
if(WEIR_TORTURE)
  list(APPEND weir_definitions WR_TORTURE=1)
endif()

# For the library and for the tests that see its insides: C11, the same warnings and definitions.
function(weir_compile_as_own target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE ${weir_definitions})
  target_compile_options(${target} PRIVATE
    ${weir_optimise} ${weir_warnings} ${weir_sanitize_flags})
endfunction()

# Thread-local variables are reached in one load (initial-exec) and not by a call, as a thread's
# default stream is found at every operation. The few bytes come from the room that glibc keeps for
# libraries opened at run time, so dlopen works too; musl keeps none, and would not open the library.
include(CheckSymbolExists)
check_symbol_exists(__GLIBC__ "features.h" WEIR_HAS_GLIBC)
set(weir_tls_model "")
if(WEIR_HAS_GLIBC)
  set(weir_tls_model -ftls-model=initial-exec)
endif()

# Nor does the loader of others choose between versions of a function (cpu/loop/loop.h).
if(NOT WEIR_HAS_GLIBC AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64" AND
    NOT CMAKE_C_FLAGS MATCHES "-march=")
  message(STATUS "Weir: this C library's loader chooses no code by processor; for AVX2 in all kernels: "
    "-DCMAKE_C_FLAGS=-march=x86-64-v3")
endif()

function(weir_compile_as_library target)
  weir_compile_as_own(${target})
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden)
  target_compile_definitions(${target} PRIVATE WR_LIBRARY_FOLDER="${weir_library_folder}")
  target_compile_options(${target} PRIVATE ${weir_tls_model} -fno-semantic-interposition
    # The same bytes wherever it is built.
    "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=" "-ffile-prefix-map=${PROJECT_BINARY_DIR}/=")
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE Threads::Threads)
endfunction()

# Visibility: the public headers carry no export macro, since those of the MLX-compatible surface
# stay as their users know them. So all public functions stand in src/api, which is compiled with
# default visibility; everything else is hidden; and the version script cuts what is left to the
# three public prefixes. A public function outside src/api fails to link in tests/capi.
#
# Kernels: -O3, and the two relaxations that change no value (errno and floating-point traps are
# read by nobody). Never -ffast-math: NaN, infinities and the order of sums are part of the result.
# -ffp-contract=off, so that no compiler fuses a product and a sum of the user's, nor those of a complex
# product, in one loop and not in another: what is fused is asked for by name (cpu/scalar/mul_add.h).
function(weir_flags_by_folder)
  foreach(source IN LISTS ARGN)
    set(flags ${weir_lto_flags} ${weir_fat_flags})
    if(source MATCHES "/src/api/")
      list(APPEND flags -fvisibility=default)
    elseif(source MATCHES "/src/backend/cpu/")
      set(flags ${weir_optimise_kernels} -fno-math-errno -fno-trapping-math -ffp-contract=off)
    endif()
    # One file for each set of instructions (cpu/loop/level.h): the rows of floats, softmax; the inner loops of
    # products, whose sums are all fused, as in any BLAS; and the steps of groups: there the vectors of a
    # block are computed side by side, for which GCC has to be asked, so that no chain of results is
    # waited for.
    if(source MATCHES "/src/backend/cpu/(product/kernels|lanes|row_math|rows_f[0-9]+)_")
      if(source MATCHES "/kernels_")
        list(REMOVE_ITEM flags -ffp-contract=off)
        list(APPEND flags -ffp-contract=fast)
      elseif(source MATCHES "/lanes_" AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        # A step's last call is a jump at any level, so that stacks do not grow with the program.
        list(APPEND flags -fschedule-insns -fsched-pressure -foptimize-sibling-calls)
      endif()
      if(source MATCHES "_avx2.c" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
        list(APPEND flags -mavx2 -mfma)
        if(source MATCHES "/kernels_")
          list(APPEND flags -mf16c)
        endif()
      elseif(source MATCHES "_avx512.c" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
        list(APPEND flags -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
          -mprefer-vector-width=512)
      endif()
    endif()
    # No file is parsed there, and Clang takes a minute and more for each with all checks.
    if(WEIR_FUZZ AND source MATCHES "/src/backend/cpu/(product/kernels|quantized_rows)_?")
      list(APPEND flags -fno-sanitize=all)
    endif()
    set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${flags}")
  endforeach()
endfunction()

function(weir_ordinary_code_only target)
  if(weir_lto_flags)
    add_custom_command(TARGET ${target} POST_BUILD
      COMMAND "$<IF:${weir_inlines_between_files},${CMAKE_OBJCOPY},true>" --wildcard
        "--remove-section=.gnu.lto_*" "--remove-section=.gnu.debuglto_*" "$<TARGET_FILE:${target}>"
      VERBATIM)
  endif()
endfunction()

# nodelete: pool threads and thread destructors may outlive a dlclose, so their code stays.
# Sanitizers leave symbols open for their run-time library, so only plain builds ask for all.
function(weir_link_shared target version_script)
  target_link_options(${target} PRIVATE
    "LINKER:--version-script=${version_script}"
    LINKER:-Bsymbolic-functions
    LINKER:-z,nodelete
    ${weir_lto_flags}
    ${weir_sanitize_flags})
  if(NOT WEIR_SANITIZE)
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
endfunction()
