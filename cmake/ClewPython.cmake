# Finds the Python that the extension is built for; it also tells where pip-installed build
# dependencies are. Order: -DPython_EXECUTABLE, an active virtual environment, .venv, PATH.

if(NOT DEFINED Python_EXECUTABLE AND NOT DEFINED ENV{VIRTUAL_ENV}
   AND EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/.venv/bin/python")
  set(Python_EXECUTABLE "${CMAKE_CURRENT_SOURCE_DIR}/.venv/bin/python")
endif()
set(Python_FIND_VIRTUALENV FIRST)
if(CLEW_BUILD_PYTHON)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
else()
  find_package(Python 3.11 COMPONENTS Interpreter)
endif()

# clew_ask_python(<variable> <code>): what the code prints, or an empty string when it fails.
function(clew_ask_python variable code)
  set(answer "")
  if(Python_EXECUTABLE)
    execute_process(COMMAND "${Python_EXECUTABLE}" -c "${code}"
                    OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                    RESULT_VARIABLE failed)
    if(failed)
      set(answer "")
    endif()
  endif()
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()
