# What `cmake --install` lays down: the program, the libraries, the public headers, and a CMake package.
include(CMakePackageConfigHelpers)

# The library's face: the headers of entrypoints/ that speak std types alone, and the error they throw.
set(TERSOR_PUBLIC_HEADERS
  base/error.h
  entrypoints/about.h entrypoints/evaluate.h entrypoints/generate.h
  entrypoints/inspect.h entrypoints/oneshot.h entrypoints/plan.h entrypoints/request.h entrypoints/tokenize.h
  entrypoints/verify.h)

add_library(tersor_library INTERFACE)
add_library(tersor::tersor ALIAS tersor_library)
set_target_properties(tersor_library PROPERTIES EXPORT_NAME tersor)
target_link_libraries(tersor_library INTERFACE tersor_entrypoints)

set(_targets tersor_library)
foreach(module ${TERSOR_MODULES})
  if(TARGET tersor_${module} AND NOT module STREQUAL "cli")
    list(APPEND _targets tersor_${module})
  endif()
endforeach()
install(TARGETS ${_targets} EXPORT tersorTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS tersor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_SOURCE_DIR}/data/calibration/builtin.txt ${PROJECT_SOURCE_DIR}/data/calibration/README.md
  DESTINATION ${CMAKE_INSTALL_DATADIR}/tersor/calibration)
foreach(header ${TERSOR_PUBLIC_HEADERS})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/src/tersor/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tersor/${folder})
endforeach()

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/tersor)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/TersorMath.cmake DESTINATION ${_package})
install(EXPORT tersorTargets NAMESPACE tersor:: DESTINATION ${_package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tersorConfig.cmake.in ${PROJECT_BINARY_DIR}/tersorConfig.cmake
  INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tersorConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tersorConfig.cmake ${PROJECT_BINARY_DIR}/tersorConfigVersion.cmake
  DESTINATION ${_package})
