# One library per folder of src/tersor, made from modules.txt: what a folder may include is what it links.

# Flags that every target of the project has: warnings are errors, and sanitizers where asked.
add_library(tersor_flags INTERFACE)
target_compile_options(tersor_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  # Results must not depend on whether the compiler fuses a multiply and an add.
  -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports std::string::insert and operator+ as overlapping copies (GCC bug 105651).
  target_compile_options(tersor_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # std::stable_sort of libstdc++ 12 calls what it itself has marked as deprecated.
  target_compile_options(tersor_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(TERSOR_SANITIZE)
  target_compile_options(tersor_flags INTERFACE
    -fsanitize=${TERSOR_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_compile_definitions(tersor_flags INTERFACE TERSOR_SANITIZED)
  target_link_options(tersor_flags INTERFACE -fsanitize=${TERSOR_SANITIZE})
endif()
if(TERSOR_FUZZERS)
  # Coverage of the code under test, which a fuzzer steers by; the programs themselves add the driver.
  target_compile_options(tersor_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(TERSOR_LIB_fmt fmt::fmt)
set(TERSOR_LIB_hwy hwy::hwy)
set(TERSOR_LIB_nlohmann nlohmann_json::nlohmann_json)
set(TERSOR_LIB_yaml-cpp yaml-cpp)
set(TERSOR_LIB_CLI CLI11::CLI11)
set(TERSOR_LIB_pcre2 PkgConfig::pcre2)
set(TERSOR_LIB_xxhash PkgConfig::xxhash)
set(TERSOR_LIB_utf8proc PkgConfig::utf8proc)
set(TERSOR_LIB_dnnl tersor_math::dnnl)
set(TERSOR_LIB_openblas tersor_math::openblas)
set(TERSOR_LIB_openmp OpenMP::OpenMP_CXX)
# Apache Arrow reads Parquet datasets. Debian has no package of it before 13: it may be missing.
find_package(Parquet QUIET)
if(TARGET Parquet::parquet_shared)
  set(TERSOR_LIB_arrow Parquet::parquet_shared Arrow::arrow_shared)
else()
  message(STATUS "Apache Arrow (libparquet-dev) not found: tersor will read no Parquet datasets")
endif()
# What no header of ours includes: whoever uses the module is compiled without their flags.
set(TERSOR_HIDDEN_LIBS dnnl openblas openmp arrow)

# Reads modules.txt into TERSOR_MODULES and, per module, TERSOR_DEPS_<m> and TERSOR_THIRD_<m>.
macro(tersor_read_modules file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} _lines REGEX "^[a-z]")
  set(TERSOR_MODULES "")
  foreach(_line ${_lines})
    string(REGEX MATCH "^([a-z]+):([^|]*)\\|(.*)$" _ "${_line}")
    set(_name ${CMAKE_MATCH_1})
    separate_arguments(TERSOR_DEPS_${_name} UNIX_COMMAND "${CMAKE_MATCH_2}")
    separate_arguments(TERSOR_THIRD_${_name} UNIX_COMMAND "${CMAKE_MATCH_3}")
    list(APPEND TERSOR_MODULES ${_name})
  endforeach()
endmacro()

# The library tersor_<name> of the folder <name>, and its test program <name>_test.
function(tersor_module name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${name}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|_main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_library(tersor_${name} STATIC ${sources})
  add_library(tersor::tersor_${name} ALIAS tersor_${name})
  target_include_directories(tersor_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(tersor_${name} PUBLIC cxx_std_20)
  target_link_libraries(tersor_${name} PRIVATE $<BUILD_INTERFACE:tersor_flags> Threads::Threads)
  # A program loads the libraries it calls: one that runs no model starts without the 75 MB of oneDNN and OpenBLAS.
  target_link_options(tersor_${name} INTERFACE LINKER:--as-needed)
  foreach(dep ${TERSOR_DEPS_${name}})
    if(TARGET tersor_${dep})
      target_link_libraries(tersor_${name} PUBLIC tersor_${dep})
    endif()
  endforeach()
  foreach(third ${TERSOR_THIRD_${name}})
    if(third IN_LIST TERSOR_HIDDEN_LIBS)
      target_link_libraries(tersor_${name} PRIVATE ${TERSOR_LIB_${third}})
    else()
      target_link_libraries(tersor_${name} PUBLIC ${TERSOR_LIB_${third}})
    endif()
  endforeach()
  if(TERSOR_TESTS AND tests)
    find_package(GTest REQUIRED)
    add_executable(${name}_test ${tests})
    target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${name}_test PRIVATE TERSOR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name}_test PRIVATE tersor_${name} tersor_flags GTest::gmock GTest::gtest_main)
    add_test(NAME unit.${name} COMMAND ${name}_test)
    # As the program itself runs (cli_main.cc): tests run side by side.
    set_tests_properties(unit.${name} PROPERTIES LABELS unit ENVIRONMENT GOMP_SPINCOUNT=1000)
  endif()
endfunction()
