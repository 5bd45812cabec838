# How the course is built. A module's CMakeLists.txt includes this and calls course_module().
#
# Which copy of a file a test is built from is decided in scripts/coursekit/building/overlay.py.
# Here are the compiler, the flags, the sanitizers and the shapes of the targets.

include_guard(GLOBAL)

get_filename_component(COURSE_ROOT "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

# --- What may be chosen ---------------------------------------------------------------------------

set(RT_SUBJECT learner CACHE STRING "Whose code is tested: learner or solutions")
set(RT_PRIOR solutions CACHE STRING "Where the other exercises' code comes from: solutions or mine")
set(RT_SANITIZE default CACHE STRING
  "default, default,undefined, address, address,undefined, thread or none")
# -g1 has lines and function names: enough for stack traces, at half the time of -g.
set(RT_DEBUG_INFO -g1 CACHE STRING "What the compiler is told to write for debuggers")
option(RT_WERROR "Warnings are errors" OFF)
set(RT_MUTANTS "" CACHE STRING
  "Wrong solutions too: aimed, or the names of some with commas (see building/mutating.py)")
mark_as_advanced(RT_MUTANTS)

set(RT_OPTIMIZE_DEMOS -O2 CACHE STRING "How demos are optimized: some of them measure")
mark_as_advanced(RT_OPTIMIZE_DEMOS)

set(RT_COMPILE_ONLY "" CACHE PATH
  "Sources that the self-test only compiles, in a folder for each module")
mark_as_advanced(RT_COMPILE_ONLY)

function(course_check_choice variable)
  if(NOT "${${variable}}" IN_LIST ARGN)
    list(JOIN ARGN ", " choices)
    message(FATAL_ERROR "${variable} is '${${variable}}', which is none of ${choices}.")
  endif()
endfunction()
course_check_choice(RT_SUBJECT learner solutions)
course_check_choice(RT_PRIOR solutions mine)
course_check_choice(RT_SANITIZE
  default "default,undefined" address "address,undefined" thread none)

# --- Compiler and flags ---------------------------------------------------------------------------

set(course_install "Install one (sudo apt-get install g++-12) and configure a fresh build folder \
with -DCMAKE_CXX_COMPILER=g++-12.")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
    message(FATAL_ERROR "g++ ${CMAKE_CXX_COMPILER_VERSION} is too old: \
the course needs g++ 12 or clang 16, or later. ${course_install}")
  endif()
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
    message(FATAL_ERROR "clang ${CMAKE_CXX_COMPILER_VERSION} is too old: \
the course needs g++ 12 or clang 16, or later. ${course_install}")
  endif()
else()
  message(FATAL_ERROR "The course is built with g++ 12 or clang 16, or later, and this is \
${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}. ${course_install}")
endif()

if(NOT CMAKE_BUILD_TYPE)  # Only without a preset.
  set(CMAKE_BUILD_TYPE Debug)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")  # Target names are unique.
set(CMAKE_CXX_FLAGS_DEBUG "-O0 ${RT_DEBUG_INFO} -fno-omit-frame-pointer")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -fno-omit-frame-pointer -DNDEBUG")

find_program(COURSE_LLD ld.lld)
mark_as_advanced(COURSE_LLD)
if(COURSE_LLD)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=lld COURSE_HAS_LLD)
  if(COURSE_HAS_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# --- Libraries ------------------------------------------------------------------------------------

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(absl QUIET)
find_package(GTest QUIET)
if(NOT absl_FOUND OR NOT TARGET GTest::gmock)
  # The versions that Debian 12 has. A later Abseil lays its tables out differently under
  # AddressSanitizer, so a part built with it and a part built without would not agree.
  message(STATUS "Fetching what is not installed of Abseil and GoogleTest "
    "(sudo apt-get install libabsl-dev libgtest-dev libgmock-dev saves the wait)")
  include(FetchContent)
  if(NOT absl_FOUND)
    set(ABSL_PROPAGATE_CXX_STD ON)
    FetchContent_Declare(absl SYSTEM
      GIT_REPOSITORY https://github.com/abseil/abseil-cpp.git GIT_TAG 20220623.1 GIT_SHALLOW ON)
    FetchContent_MakeAvailable(absl)
  endif()
  if(NOT TARGET GTest::gmock)
    set(INSTALL_GTEST OFF)
    FetchContent_Declare(googletest SYSTEM
      GIT_REPOSITORY https://github.com/google/googletest.git GIT_TAG release-1.12.1 GIT_SHALLOW ON)
    FetchContent_MakeAvailable(googletest)
  endif()
endif()

# From here on, so that fetched libraries are built as they are.
set(CMAKE_COMPILE_WARNING_AS_ERROR ${RT_WERROR})

# What every file of the course is compiled with and linked to.
add_library(course_base INTERFACE)
target_compile_options(course_base INTERFACE
  # A precompiled header alone fills g++'s heap so far that it collects garbage all the time.
  # Waiting for 512 MB saves 9 % of the time of a large test, and takes 40 MB more (measured, g++
  # 12).
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=524288>
  -pipe  # The assembler works while the compiler still does.
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  # A stub uses neither its parameters nor its helpers nor its private members.
  -Wno-unused-parameter -Wno-unused-function
  $<$<CXX_COMPILER_ID:Clang>:-Wno-unused-private-field>
  # Part of -Wconversion for clang and not for g++; both should say the same.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>
  # gmock's own macros leave a variadic argument out.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>)
target_link_libraries(course_base INTERFACE
  Threads::Threads absl::status absl::statusor absl::strings absl::str_format absl::time
  absl::cleanup absl::any_invocable absl::flat_hash_map absl::flat_hash_set absl::inlined_vector
  absl::span absl::symbolize)

# --- Sanitizer flavours ---------------------------------------------------------------------------
# One sanitizer per target. A flavour has its own precompiled header and its own copy of the test
# support, because neither can be mixed between sanitizers.

# Which flavour a kind of test is built in. Threads are for ThreadSanitizer, the rest is not.
function(course_flavour kind result)
  set(sanitize "${RT_SANITIZE}")
  if(sanitize MATCHES "^default(,undefined)?$")
    if(kind STREQUAL "stress")
      set(sanitize thread)
    elseif(kind STREQUAL "demo")
      set(sanitize none)
    else()
      set(sanitize "address${CMAKE_MATCH_1}")
    endif()
  endif()
  if(kind STREQUAL "model")
    # The scenario's threads are fibers of one thread, so ThreadSanitizer has nothing to look at.
    # Without any sanitizer by default: it explores three times as much in the same time.
    set(sanitize model)
    if(RT_SANITIZE MATCHES "address")
      set(sanitize "model_${RT_SANITIZE}")
    endif()
  endif()
  string(REPLACE "," "_" flavour "${sanitize}")
  set(${result} "${flavour}" PARENT_SCOPE)
endfunction()

# course_flags_<flavour>: the flags, made when they are first wanted.
function(course_flags flavour)
  if(TARGET course_flags_${flavour})
    return()
  endif()
  add_library(course_flags_${flavour} INTERFACE)
  if(flavour MATCHES "^model_?(.*)")
    # The other world of rt/platform/sync.h. Traces have a clock and locks of their own, so they are
    # out.
    set(sanitize none)
    if(CMAKE_MATCH_1)
      set(sanitize "${CMAKE_MATCH_1}")
    endif()
    course_flags(${sanitize})
    target_link_libraries(course_flags_${flavour} INTERFACE course_flags_${sanitize})
    target_compile_options(course_flags_${flavour} INTERFACE $<$<CONFIG:Debug>:-O1>)
    target_compile_definitions(course_flags_${flavour} INTERFACE RT_MODEL_CHECKED RT_NO_TRACE)
    target_include_directories(course_flags_${flavour}
      INTERFACE "${COURSE_ROOT}/scripts/testkit/model/include")
    return()
  endif()
  target_link_libraries(course_flags_${flavour} INTERFACE course_base)
  if(flavour STREQUAL "none")
    return()
  endif()
  string(REPLACE "_" "," sanitize "${flavour}")
  target_compile_options(course_flags_${flavour} INTERFACE -fsanitize=${sanitize})
  target_link_options(course_flags_${flavour} INTERFACE -fsanitize=${sanitize})
  if(flavour MATCHES "undefined")
    # Without this, undefined behaviour is printed and the test passes.
    target_compile_options(course_flags_${flavour} INTERFACE -fno-sanitize-recover=undefined)
    # An index past the end of an array that is a member may stay inside the object, where no
    # sanitizer sees it. Not in the other flavours: it takes the compiler a tenth longer.
    target_compile_definitions(course_flags_${flavour} INTERFACE _GLIBCXX_ASSERTIONS)
  endif()
endfunction()

# course_pch_<flavour>: the precompiled header. testkit_core_<flavour>: main() and whatever in the
# test support includes no rt/ header. The rest of it is headers, compiled with each test's overlay.
function(course_test_support flavour)
  if(TARGET course_pch_${flavour})
    return()
  endif()
  course_flags(${flavour})
  add_library(course_pch_${flavour} OBJECT EXCLUDE_FROM_ALL "${COURSE_ROOT}/scripts/cmake/pch.cc")
  target_link_libraries(course_pch_${flavour}
    PRIVATE course_flags_${flavour} GTest::gmock GTest::gtest)
  target_precompile_headers(course_pch_${flavour} PRIVATE "${COURSE_ROOT}/scripts/cmake/pch.h")

  file(GLOB sources CONFIGURE_DEPENDS "${COURSE_ROOT}/scripts/testkit/src/*.cc")
  add_library(testkit_core_${flavour} OBJECT EXCLUDE_FROM_ALL
    "${COURSE_ROOT}/scripts/testkit/main.cc" ${sources})
  target_include_directories(testkit_core_${flavour}
    PRIVATE "${COURSE_ROOT}/scripts/testkit/include")
  target_link_libraries(testkit_core_${flavour}
    PRIVATE course_flags_${flavour} GTest::gmock GTest::gtest)
  target_precompile_headers(testkit_core_${flavour} REUSE_FROM course_pch_${flavour})
  if(flavour MATCHES "^model")
    course_model_checker(${flavour})
  endif()
endfunction()

# model_checker_<flavour>: always optimized and never with a sanitizer, since a test waits for it
# and not for the scenario: it only tells AddressSanitizer of its stacks. It includes no rt/ header,
# so one copy serves every test.
function(course_model_checker flavour)
  file(GLOB sources CONFIGURE_DEPENDS "${COURSE_ROOT}/scripts/testkit/model/src/*.cc")
  add_library(model_checker_${flavour} OBJECT EXCLUDE_FROM_ALL ${sources})
  target_include_directories(model_checker_${flavour} PRIVATE
    "${COURSE_ROOT}/scripts/testkit/model/include" "${COURSE_ROOT}/scripts/testkit/include")
  target_compile_options(model_checker_${flavour} PRIVATE -O2)
  if(flavour MATCHES "address")
    target_compile_definitions(model_checker_${flavour} PRIVATE TESTKIT_MODEL_ASAN)
  endif()
  target_link_libraries(model_checker_${flavour} PRIVATE course_base GTest::gmock GTest::gtest)
endfunction()

# --- Targets --------------------------------------------------------------------------------------

# course_test(TARGET … ID … NEEDS … KIND … OVERLAY … SOURCES …), as written by targets.py. NEEDS:
# the ids of all exercises that this one needs.
function(course_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;ID;NEEDS;KIND;OVERLAY" "SOURCES")
  course_flavour("${arg_KIND}" flavour)
  course_test_binary(${arg_TARGET} ${flavour} course_pch_${flavour} "${arg_OVERLAY}" ${arg_SOURCES})
  gtest_discover_tests(${arg_TARGET} TEST_PREFIX "${arg_ID} " DISCOVERY_MODE PRE_TEST)
  # gtest_discover_tests() cannot pass on a property that is a list, so labels are set afterwards.
  set(labels "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}_labels.cmake")
  set(tests "\${${arg_TARGET}_TESTS}")
  # A test of what is not written fails, and its output says so. Only where that is another
  # exercise, which this one needs, is it skipped.
  set(skipped "")
  if(arg_NEEDS)
    string(REPLACE "." "[.]" needs "${arg_NEEDS}")
    string(REPLACE ";" "|" needs "${needs}")
    set(skipped "SKIP_REGULAR_EXPRESSION \"exercise (${needs}) is not written yet\"")
  endif()
  file(CONFIGURE OUTPUT "${labels}" @ONLY CONTENT
"if(@arg_TARGET@_TESTS)
  set_tests_properties(@tests@ PROPERTIES LABELS \"@arg_ID@;@arg_KIND@\" @skipped@)
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels}")
endfunction()

# course_mutant(TARGET … KIND … MUTATED … OVERLAY … BESIDE … HEADERS … SOURCES …), as written by
# mutating.py. MUTATED is the folder with the wrong file. BESIDE, if any, is the folder that a copy
# of a test comes from: the test includes files that stand there. HEADERS, if any, is the target
# whose headers are compiled ahead.
function(course_mutant)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;KIND;MUTATED;OVERLAY;BESIDE;HEADERS" "SOURCES")
  course_flavour("${arg_KIND}" flavour)
  if(NOT arg_HEADERS)
    set(arg_HEADERS course_pch_${flavour})
  endif()
  course_test_binary(${arg_TARGET} ${flavour} ${arg_HEADERS} "${arg_MUTATED};${arg_OVERLAY}"
    ${arg_SOURCES})
  set_target_properties(${arg_TARGET} PROPERTIES EXCLUDE_FROM_ALL ON)
  # A wrong solution may leave a variable unused: its tests have to say no, not the compiler.
  target_compile_options(${arg_TARGET} PRIVATE -w)
  if(arg_BESIDE)
    target_compile_options(${arg_TARGET} PRIVATE "-iquote${arg_BESIDE}")
  elseif(arg_KIND STREQUAL "model")
    course_with_threads(${arg_TARGET}_threads "${arg_MUTATED};${arg_OVERLAY}" ${arg_SOURCES})
  endif()
endfunction()

# course_mutant_headers(TARGET … KIND … OVERLAY … HEADER …): a precompiled header for many mutants.
function(course_mutant_headers)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;KIND;OVERLAY;HEADER" "")
  course_flavour("${arg_KIND}" flavour)
  course_flags(${flavour})
  add_library(${arg_TARGET} OBJECT EXCLUDE_FROM_ALL "${COURSE_ROOT}/scripts/cmake/pch.cc")
  target_include_directories(${arg_TARGET}
    PRIVATE "${arg_OVERLAY}" "${COURSE_ROOT}/scripts/testkit/include")
  target_link_libraries(${arg_TARGET} PRIVATE course_flags_${flavour} GTest::gmock GTest::gtest)
  target_precompile_headers(${arg_TARGET} PRIVATE "${COURSE_ROOT}/scripts/cmake/pch.h" "${arg_HEADER}")
endfunction()

# A model test with real threads in place of the checker's, to compare the two.
function(course_with_threads target overlay)
  course_test_support(none)
  add_executable(${target} EXCLUDE_FROM_ALL ${ARGN})
  target_include_directories(${target} PRIVATE ${overlay}
    "${COURSE_ROOT}/scripts/testkit/model/threads" "${COURSE_ROOT}/scripts/testkit/include")
  target_compile_definitions(${target} PRIVATE RT_NO_TRACE)
  target_compile_options(${target} PRIVATE -O2 -w)
  target_link_libraries(${target}
    PRIVATE course_flags_none testkit_core_none GTest::gmock GTest::gtest)
endfunction()

# `headers`: the target whose precompiled header it takes.
function(course_test_binary target flavour headers overlay)
  course_test_support(${flavour})
  add_executable(${target} ${ARGN})
  # The overlay is first and alone: no other folder in the path holds an rt/ header.
  target_include_directories(${target}
    PRIVATE ${overlay} "${COURSE_ROOT}/scripts/testkit/include")
  target_link_libraries(${target}
    PRIVATE course_flags_${flavour} testkit_core_${flavour} GTest::gmock GTest::gtest)
  target_precompile_headers(${target} REUSE_FROM ${headers})
  if(flavour MATCHES "^model")
    target_link_libraries(${target} PRIVATE model_checker_${flavour})
  endif()
  # g++'s ThreadSanitizer cannot map its shadow where addresses are spread over more than 30 bits.
  if(flavour STREQUAL "thread" AND COURSE_SETARCH)
    set_target_properties(${target} PROPERTIES CROSSCOMPILING_EMULATOR "${COURSE_SETARCH};-R")
  endif()
endfunction()

# course_demo(TARGET … OVERLAY … SOURCES …), as written by targets.py. No precompiled header: a demo
# shows that the headers of the course stand by themselves. What demos share is in the demo/ headers
# of some modules.
function(course_demo)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;OVERLAY" "SOURCES")
  course_flavour(demo flavour)
  course_flags(${flavour})
  add_executable(${arg_TARGET} ${arg_SOURCES})
  target_compile_options(${arg_TARGET} PRIVATE ${RT_OPTIMIZE_DEMOS})
  file(GLOB shared LIST_DIRECTORIES true CONFIGURE_DEPENDS "${COURSE_ROOT}/module*/demo/include")
  target_include_directories(${arg_TARGET} PRIVATE "${arg_OVERLAY}" ${shared})
  target_link_libraries(${arg_TARGET} PRIVATE course_flags_${flavour})
  if(EXISTS "${arg_OVERLAY}/rt/trace/trace_file.h")
    course_recorder(${flavour})
    target_link_libraries(${arg_TARGET} PRIVATE course_recorder_${flavour})
  endif()
endfunction()

# Lets a demo be recorded: see recorder.cc. Made of given code only, so once for all demos.
function(course_recorder flavour)
  if(TARGET course_recorder_${flavour})
    return()
  endif()
  add_library(course_recorder_${flavour} OBJECT EXCLUDE_FROM_ALL
    "${COURSE_ROOT}/scripts/cmake/recorder.cc")
  target_include_directories(course_recorder_${flavour} PRIVATE
    "${COURSE_ROOT}/module1-executor/include")
  target_link_libraries(course_recorder_${flavour} PRIVATE course_flags_${flavour})
endfunction()

# One target for each source that is only compiled, named for it. No precompiled header: what a file
# includes has to be enough.
function(course_compile_only module)
  file(GLOB sources CONFIGURE_DEPENDS "${RT_COMPILE_ONLY}/${module}/*.cc")
  foreach(source IN LISTS sources)
    get_filename_component(target "${source}" NAME_WE)
    course_flags(none)
    add_library(${target} OBJECT EXCLUDE_FROM_ALL "${source}")
    target_include_directories(${target} PRIVATE
      "${CMAKE_BINARY_DIR}/overlay/demo-${module}" "${COURSE_ROOT}/scripts/testkit/include")
    target_link_libraries(${target} PRIVATE course_flags_none GTest::gmock GTest::gtest)
    # No object is made, so the next build looks again.
    target_compile_options(${target} PRIVATE -fsyntax-only)
  endforeach()
endfunction()

# --- A module -------------------------------------------------------------------------------------

# Finds the exercises of the module in the current folder, their tests and the demos.
function(course_module)
  get_filename_component(module "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
  set(out "${CMAKE_BINARY_DIR}/overlay")
  set(mutants "")
  if(RT_MUTANTS)
    set(mutants --mutants "${RT_MUTANTS}")
  endif()
  execute_process(
    COMMAND "${COURSE_PYTHON}" -I -B "${COURSE_ROOT}/scripts/coursekit" overlay
      --root "${COURSE_ROOT}" --module "${module}" --out "${out}"
      --subject "${RT_SUBJECT}" --prior "${RT_PRIOR}" ${mutants}
    RESULT_VARIABLE result ERROR_VARIABLE error)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${error}")
  endif()
  include("${out}/${module}.cmake")
  if(RT_COMPILE_ONLY)
    course_compile_only("${module}")
  endif()

  # What targets.py read. A file that comes or goes makes the next build configure again.
  file(GLOB changed CONFIGURE_DEPENDS
    "${COURSE_ROOT}/module*/include/rt/*.h" "${COURSE_ROOT}/module*/include/rt/*/*.h"
    "${COURSE_ROOT}/module*/src/*.cc"
    "${COURSE_ROOT}/module*/tests/*_test.cc" "${COURSE_ROOT}/module*/demo/*.cc"
    "${COURSE_ROOT}/solutions/module*/include/rt/*/*.h" "${COURSE_ROOT}/solutions/module*/src/*.cc")
  file(GLOB read CONFIGURE_DEPENDS
    "${COURSE_ROOT}/module*/exercises.toml" "${COURSE_ROOT}/solutions/mutants/*.toml")
  if(RT_MUTANTS)  # A mutant is an edit of the reference, made when CMake configures.
    file(GLOB references CONFIGURE_DEPENDS
      "${COURSE_ROOT}/solutions/module*/include/rt/*/*.h" "${COURSE_ROOT}/solutions/module*/src/*.cc"
      "${COURSE_ROOT}/module*/tests/*_test.cc")
    list(APPEND read ${references})
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${read}
    "${COURSE_ROOT}/scripts/coursekit/course/catalog.py" "${COURSE_ROOT}/scripts/coursekit/building/overlay.py"
    "${COURSE_ROOT}/scripts/coursekit/building/targets.py"
    "${COURSE_ROOT}/scripts/coursekit/building/mutating.py" "${COURSE_ROOT}/scripts/coursekit/course/mutants.py" "${COURSE_ROOT}/scripts/coursekit/course/purposes.py")
endfunction()

# The distribution's Python, so that a pyenv, conda or venv on PATH changes nothing.
find_program(COURSE_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(COURSE_PYTHON python3 REQUIRED)
mark_as_advanced(COURSE_PYTHON)

set(COURSE_SETARCH "")
if(EXISTS /proc/sys/vm/mmap_rnd_bits)
  file(READ /proc/sys/vm/mmap_rnd_bits bits)
  if(bits GREATER 30)
    find_program(COURSE_SETARCH_PROGRAM setarch)
    mark_as_advanced(COURSE_SETARCH_PROGRAM)
    set(COURSE_SETARCH "${COURSE_SETARCH_PROGRAM}")
  endif()
endif()

include(GoogleTest)
enable_testing()
