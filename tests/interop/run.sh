#!/usr/bin/env bash
# Prepares the Python environments and runs the tests in this folder: `make interop`, or with pytest's arguments,
#
#   tests/interop/run.sh -k bytes
#   tests/interop/run.sh -m "not slow"
#
# Environments and models are kept under $TERSOR_ORACLES (default ~/.cache/tersor-oracles). $TERSOR_TOOLS (default
# ../shared/tools) may hold setup_oracles.sh, which makes one environment with the reference tools and one with vLLM;
# without it one environment is made here from requirements.txt, and what needs vLLM is skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
export TERSOR_ORACLES=${TERSOR_ORACLES:-$HOME/.cache/tersor-oracles}
export TERSOR_TOOLS=${TERSOR_TOOLS:-$repo/../shared/tools}
environment=$TERSOR_ORACLES/oracle
pytest=$(grep -E '^(pytest|pluggy|iniconfig)==' "$here/requirements.txt")

if [[ -x $TERSOR_TOOLS/setup_oracles.sh ]]; then
    "$TERSOR_TOOLS/setup_oracles.sh"
    if ! "$environment/bin/python" -c 'import pytest' 2>/dev/null; then
        # shellcheck disable=SC2086
        "$TERSOR_ORACLES/uv/bin/uv" pip install --quiet --python "$environment/bin/python" --no-deps $pytest
    fi
else
    environment=$TERSOR_ORACLES/interop-env
    if ! cmp -s "$here/requirements.txt" "$environment/installed.txt"; then
        "${PYTHON:-python3.11}" -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps \
            --extra-index-url https://download.pytorch.org/whl/cpu -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$environment/installed.txt"
    fi
fi

# Results stay in build/interop until the next run.
exec "$environment/bin/python" -m pytest --basetemp "$repo/build/interop" "$here" "$@"
