#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, where they are missing. Does nothing when all are there.
set -euo pipefail

packages=(
    g++ cmake ninja-build ccache pkg-config python3 git
    libfmt-dev libhwy-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libpcre2-dev libxxhash-dev libutf8proc-dev
    libdnnl-dev libopenblas-openmp-dev
    libgtest-dev libgmock-dev libbenchmark-dev
)
# `install_deps.sh PACKAGE...` adds more (make fuzz, make format).
packages+=("$@")

missing=()
for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

echo "installing: ${missing[*]}"
sudo=()
[[ $(id -u) -eq 0 ]] || sudo=(sudo)
# `make test` and `.ci/run` may run several of these at once: wait for the package lock.
"${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
