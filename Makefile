# The front door. `make demo` and `make test` install what is missing, build, and run.
BUILD ?= build
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
DEMO = build/demo
# Clang: under sanitizers GCC 12 compiles the SIMD kernels for many minutes.
CLANG = clang-19 libclang-rt-19-dev libomp-19-dev

.PHONY: help deps build demo test interop bench format tidy asan tsan fuzz clean
help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

deps:            ## install the Debian packages that are missing
	@scripts/install_deps.sh

build: deps      ## build the program at build/tersor
	@cmake --preset release > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build --preset release -j $(JOBS)

demo: build      ## compress the embedded model with a recipe: plan, progress, errors and sizes
	@rm -rf $(DEMO)
	@build/tersor compress models/tiny -o $(DEMO) --recipe examples/recipes/mixed.yaml
	@build/tersor verify $(DEMO) --reference models/tiny
	@build/tersor inspect $(DEMO)

test: build      ## build and run every C++ test
	@ctest --preset release -j $(JOBS)

interop: build   ## compare with compressed-tensors, llm-compressor, Transformers and vLLM
	@tests/interop/run.sh $(INTEROP)

bench: build     ## the benchmarks whose figures stand in docs/performance.md
	@bench/run.sh

format:          ## clang-format every source
	@scripts/install_deps.sh clang-format-19
	@clang-format-19 -i $$(git ls-files '*.h' '*.cc')

tidy:            ## clang-tidy every source
	@scripts/install_deps.sh $(CLANG) clang-tidy-19
	@cmake --preset clang > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@run-clang-tidy-19 -quiet -p build-clang 'src/tersor/.*'

asan: deps       ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/install_deps.sh $(CLANG)
	@cmake --preset asan && cmake --build --preset asan -j $(JOBS) && ctest --preset asan -j $(JOBS)

tsan: deps       ## the C++ tests under ThreadSanitizer
	@scripts/install_deps.sh $(CLANG)
	@cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) && ctest --preset tsan -j $(JOBS)

fuzz: deps       ## every libFuzzer target for FUZZ_SECONDS under AddressSanitizer
	@scripts/install_deps.sh $(CLANG)
	@cmake --preset fuzz && cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	@tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS) $(JOBS)

clean:           ## remove every build folder
	rm -rf build build-*
