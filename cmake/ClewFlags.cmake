# Compiler and linker flags, as two interface targets: clew_flags (compile) and clew_link (link).

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_package(Threads REQUIRED)

add_library(clew_flags INTERFACE)
target_compile_features(clew_flags INTERFACE cxx_std_20)
target_include_directories(clew_flags INTERFACE
  "${CMAKE_CURRENT_SOURCE_DIR}/include"
  "${CMAKE_CURRENT_SOURCE_DIR}/csrc"
  "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(clew_flags INTERFACE
  CLEW_BUILDING
  CLEW_VERSION="${PROJECT_VERSION}"
  CLEW_BLAS_PREFIX=${CLEW_BLAS_PREFIX}
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
target_compile_options(clew_flags INTERFACE
  -Wall -Wextra -Wshadow
  $<$<BOOL:${CLEW_WERROR}>:-Werror>
  -fvisibility=hidden -fvisibility-inlines-hidden
  -ffunction-sections -fdata-sections
  -fno-semantic-interposition)
target_link_libraries(clew_flags INTERFACE Threads::Threads)

add_library(clew_link INTERFACE)
# Nobody replaces a function of the library, so that it calls its own ones directly.
target_link_options(clew_link INTERFACE -Wl,--gc-sections -Wl,-Bsymbolic-functions)

if(CLEW_SANITIZE)
  if(NOT CLEW_SANITIZE MATCHES "^(address,undefined|thread)$")
    message(FATAL_ERROR "CLEW_SANITIZE: expected \"\", address,undefined or thread, got ${CLEW_SANITIZE}")
  endif()
  target_compile_options(clew_flags INTERFACE
    -fsanitize=${CLEW_SANITIZE} -fno-omit-frame-pointer
    # The checks that are added confuse gcc's flow analysis; the plain builds keep this warning.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(CLEW_SANITIZE STREQUAL "address,undefined")
    target_compile_options(clew_flags INTERFACE
      # vptr needs the type information of hidden classes. With the checks of null gcc no longer takes the
      # address of a kernel slot as constant, which the pages of ops need; a null still ends in a report.
      -fno-sanitize-recover=undefined -fno-sanitize=vptr,null,nonnull-attribute,returns-nonnull-attribute)
  endif()
  target_link_options(clew_link INTERFACE -fsanitize=${CLEW_SANITIZE})
  # Blocks of Clew's own lists would hide overflows and uses after free.
  target_compile_definitions(clew_flags INTERFACE CLEW_NO_MEMORY_CACHE)
endif()

# Numeric loops: errno and floating-point traps are never looked at, and the loops must vectorise.
set(CLEW_LOOP_FLAGS "$<$<CONFIG:Release>:-O3>;-fno-math-errno;-fno-trapping-math")

# csrc/cpu/isa is built once per instruction set, with CLEW_ISA naming its namespace.
set(CLEW_ISAS baseline)
set(CLEW_ISA_FLAGS_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  list(APPEND CLEW_ISAS avx2 avx512)
  set(CLEW_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
  set(CLEW_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
      -mprefer-vector-width=512)
else()
  target_compile_definitions(clew_flags INTERFACE CLEW_ONLY_BASELINE_ISA)
endif()
