# Installation. In a wheel everything lies below clew/; otherwise in the usual GNU places.
# Components: runtime (what a wheel needs at run time) and development (headers, CMake package).

include(CMakePackageConfigHelpers)

if(CLEW_WHEEL)
  set(clew_lib_dir clew/lib)
  set(clew_include_dir clew/include)
else()
  set(clew_lib_dir ${CMAKE_INSTALL_LIBDIR})
  set(clew_include_dir ${CMAKE_INSTALL_INCLUDEDIR})
endif()
set(clew_cmake_dir ${clew_lib_dir}/cmake/Clew)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${clew_lib_dir}/pkgconfig"
           OUTPUT_VARIABLE clew_pc_prefix)

if(CLEW_WHEEL)
  # A wheel turns links into copies: the name that linkers look for is a one-line linker script there.
  install(TARGETS clew EXPORT ClewTargets LIBRARY DESTINATION ${clew_lib_dir} NAMELINK_SKIP)
  file(WRITE "${CMAKE_BINARY_DIR}/libclew.so" "INPUT(libclew.so.${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})\n")
  install(FILES "${CMAKE_BINARY_DIR}/libclew.so" DESTINATION ${clew_lib_dir})
else()
  install(TARGETS clew EXPORT ClewTargets LIBRARY DESTINATION ${clew_lib_dir})
endif()
target_include_directories(clew INTERFACE $<INSTALL_INTERFACE:${clew_include_dir}>)
if(CLEW_BLAS_BUNDLED)
  install(FILES "${CLEW_BLAS_LIBRARY}" DESTINATION ${clew_lib_dir})
endif()

install(DIRECTORY include/clew DESTINATION ${clew_include_dir}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(EXPORT ClewTargets NAMESPACE Clew:: DESTINATION ${clew_cmake_dir})
configure_package_config_file(cmake/ClewConfig.cmake.in "${CMAKE_BINARY_DIR}/ClewConfig.cmake"
                              INSTALL_DESTINATION ${clew_cmake_dir})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/ClewConfigVersion.cmake"
                                 VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
configure_file(cmake/clew.pc.in "${CMAKE_BINARY_DIR}/clew.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/clew.pc" DESTINATION ${clew_lib_dir}/pkgconfig)
install(FILES "${CMAKE_BINARY_DIR}/ClewConfig.cmake" "${CMAKE_BINARY_DIR}/ClewConfigVersion.cmake"
        DESTINATION ${clew_cmake_dir})

# The build tree is a package too, at the same place as in a wheel.
set(clew_build_package "${CLEW_PACKAGE_DIR}/lib/cmake/Clew")
export(EXPORT ClewTargets NAMESPACE Clew:: FILE "${clew_build_package}/ClewTargets.cmake")
configure_file("${CMAKE_BINARY_DIR}/ClewConfig.cmake" "${clew_build_package}/ClewConfig.cmake" COPYONLY)
configure_file("${CMAKE_BINARY_DIR}/ClewConfigVersion.cmake" "${clew_build_package}/ClewConfigVersion.cmake" COPYONLY)

if(CLEW_WHEEL AND CLEW_BUILD_PYTHON)
  install(TARGETS _C LIBRARY DESTINATION clew)
  # Stubs that the build has written; the linked ones of the source tree are setuptools' to copy.
  install(CODE "
    file(GLOB stubs \"${CLEW_PACKAGE_DIR}/*.pyi\")
    foreach(stub IN LISTS stubs)
      if(NOT IS_SYMLINK \"\${stub}\")
        file(INSTALL \"\${stub}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/clew\")
      endif()
    endforeach()")
endif()
