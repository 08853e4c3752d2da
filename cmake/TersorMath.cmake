# oneDNN and OpenBLAS (its OpenMP build: one set of threads for both), found by hand.

# Debian's dnnl-config.cmake asks for OpenCL's, which -dev packages do not bring along.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(tersor_math::dnnl INTERFACE IMPORTED)
target_include_directories(tersor_math::dnnl INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(tersor_math::dnnl INTERFACE ${DNNL_LIBRARY})

# The pthreads build, where it is installed too, would be the default: the folder names the one that is meant.
find_library(OPENBLAS_LIBRARY openblas PATH_SUFFIXES openblas-openmp REQUIRED NO_CACHE
  PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp NO_DEFAULT_PATH)
find_path(OPENBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas-openmp REQUIRED)
add_library(tersor_math::openblas INTERFACE IMPORTED)
target_include_directories(tersor_math::openblas INTERFACE ${OPENBLAS_INCLUDE_DIR})
target_link_libraries(tersor_math::openblas INTERFACE ${OPENBLAS_LIBRARY})
