# The extension module clew._C, and the Python package laid out in the build tree:
# PYTHONPATH=<build>/python imports it.

clew_ask_python(clew_pybind11_dir "import pybind11; print(pybind11.get_cmake_dir())")
if(clew_pybind11_dir)
  set(pybind11_DIR "${clew_pybind11_dir}" CACHE PATH "pybind11's CMake package" FORCE)
endif()
set(PYBIND11_FINDPYTHON ON)
find_package(pybind11 2.13 CONFIG QUIET)
if(NOT pybind11_FOUND)
  message(FATAL_ERROR "pybind11: expected version 2.13 or newer for ${Python_EXECUTABLE}, found none; "
                      "run 'pip install pybind11'")
endif()

file(GLOB clew_binding_sources CONFIGURE_DEPENDS bindings/src/*.cpp)
pybind11_add_module(_C MODULE NO_EXTRAS ${clew_binding_sources})
target_link_libraries(_C PRIVATE clew_flags clew_link clew)
set_target_properties(_C PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY "${CLEW_PACKAGE_DIR}"
  BUILD_WITH_INSTALL_RPATH ON
  INSTALL_RPATH "$ORIGIN/lib")

# Links, so that an edit of a .py file needs no build. Links to removed files are dropped.
file(MAKE_DIRECTORY "${CLEW_PACKAGE_DIR}")
file(GLOB clew_old_links LIST_DIRECTORIES true "${CLEW_PACKAGE_DIR}/*")
foreach(link IN LISTS clew_old_links)
  if(IS_SYMLINK "${link}" AND NOT EXISTS "${link}")
    file(REMOVE "${link}")
  endif()
endforeach()
file(GLOB clew_python_entries LIST_DIRECTORIES true CONFIGURE_DEPENDS bindings/clew/*)
# What an editable install leaves in the source package is not source.
list(FILTER clew_python_entries EXCLUDE REGEX "/(__pycache__|_C\\.[^/]*so|lib|include)$")
foreach(entry IN LISTS clew_python_entries)
  cmake_path(GET entry FILENAME name)
  if(NOT IS_SYMLINK "${CLEW_PACKAGE_DIR}/${name}")
    file(CREATE_LINK "${entry}" "${CLEW_PACKAGE_DIR}/${name}" SYMBOLIC)
  endif()
endforeach()

# The type stubs come from the op table, so they are written once the module can be imported.
set(clew_stub_script "${CMAKE_CURRENT_SOURCE_DIR}/scripts/make_stubs.py")
if(EXISTS "${clew_stub_script}" AND NOT CLEW_SANITIZE)
  add_custom_command(TARGET _C POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E env "PYTHONPATH=${CMAKE_BINARY_DIR}/python" PYTHONDONTWRITEBYTECODE=1
            "${Python_EXECUTABLE}" "${clew_stub_script}" "${CLEW_PACKAGE_DIR}"
    COMMENT "Writing type stubs"
    VERBATIM)
endif()
