# The front door. `make demo` and `make test` install what is missing, build, and run.
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: help deps build demo test interop bench format tidy asan tsan fuzz clean
help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

deps:            ## install the Debian packages that are missing
	@scripts/install_deps.sh

build: deps      ## build the program at build/tersor
	@cmake --preset release -DTERSOR_TESTS=$(or $(TESTS),ON) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build --preset release -j $(JOBS)

test: build      ## build and run every C++ test
	@ctest --preset release -j $(JOBS)

format:          ## clang-format every source
	@clang-format-19 -i $$(git ls-files 'src/*.h' 'src/*.cc' 'tests/*.cc' 'bench/*.cc' 'examples/*.cc')

asan:            ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@cmake --preset asan && cmake --build --preset asan -j $(JOBS) && ctest --preset asan -j $(JOBS)

tsan:            ## the C++ tests under ThreadSanitizer
	@cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) && ctest --preset tsan -j $(JOBS)

clean:           ## remove every build folder
	rm -rf build build-*
