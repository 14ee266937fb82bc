# The CUDA backend: libclew_cuda, which libclew opens when a CUDA device is first asked for.
#
# CLEW_CUDA=AUTO means: toolkit found and a GPU visible. With ON the toolkit must be there, a GPU need not.

if(NOT CLEW_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "CLEW_CUDA: expected AUTO, ON or OFF, got ${CLEW_CUDA}")
endif()
set(CLEW_CUDA_ARCHITECTURES "90" CACHE STRING "Architectures of CUDA kernels, such as 80;90;100")

set(clew_cuda_on ${CLEW_CUDA})
if(NOT clew_cuda_on STREQUAL "OFF")
  find_program(CLEW_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(clew_cuda_on STREQUAL "AUTO")
    if(CLEW_NVCC AND EXISTS /dev/nvidiactl)
      set(clew_cuda_on ON)
    else()
      set(clew_cuda_on OFF)
    endif()
  elseif(NOT CLEW_NVCC)
    message(FATAL_ERROR "CLEW_CUDA: expected nvcc of CUDA 13 in CUDA_HOME, /usr/local/cuda or PATH, found none; "
                        "install the CUDA toolkit, or set CLEW_CUDA=OFF")
  endif()
endif()

if(clew_cuda_on STREQUAL "ON")
  set(CMAKE_CUDA_COMPILER "${CLEW_NVCC}" CACHE FILEPATH "CUDA compiler")
  set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}" CACHE FILEPATH "Host compiler of nvcc")
  set(CMAKE_CUDA_ARCHITECTURES "${CLEW_CUDA_ARCHITECTURES}")
  if(CCACHE_PROGRAM AND NOT DEFINED CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit 13 REQUIRED)

  file(GLOB clew_cuda_sources CONFIGURE_DEPENDS csrc/cuda/*.cpp csrc/cuda/*.cu)
  add_library(clew_cuda MODULE ${clew_cuda_sources})
  target_include_directories(clew_cuda PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}/csrc"
                                               "${CMAKE_CURRENT_SOURCE_DIR}/include/clew" "${CMAKE_CURRENT_SOURCE_DIR}")
  target_compile_features(clew_cuda PRIVATE cxx_std_20 cuda_std_20)
  target_compile_options(clew_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -fvisibility-inlines-hidden $<$<BOOL:${CLEW_WERROR}>:-Werror>>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra -diag-suppress=186
      $<$<BOOL:${CLEW_WERROR}>:-Werror=all-warnings>>)
  target_link_libraries(clew_cuda PRIVATE clew CUDA::cudart Threads::Threads ${CMAKE_DL_LIBS})
  # The run-time search path must hold for CUDA's own libraries too, hence DT_RPATH. Those of the pip packages
  # come first, beside clew in site-packages.
  target_link_options(clew_cuda PRIVATE -Wl,--no-undefined -Wl,--gc-sections -Wl,--disable-new-dtags)
  set_target_properties(clew_cuda PROPERTIES
    PREFIX lib
    CXX_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden
    CUDA_RUNTIME_LIBRARY Shared
    LIBRARY_OUTPUT_DIRECTORY "${CLEW_PACKAGE_DIR}/lib"
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN;$ORIGIN/../../nvidia/cu13/lib;$ORIGIN/../../nvidia/cudnn/lib;$ORIGIN/../../nvidia/nccl/lib;/usr/local/cuda/lib64")
  install(TARGETS clew_cuda LIBRARY DESTINATION $<IF:$<BOOL:${CLEW_WHEEL}>,clew/lib,${CMAKE_INSTALL_LIBDIR}>)
endif()
