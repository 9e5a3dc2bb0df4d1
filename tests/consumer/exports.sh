#!/usr/bin/env bash
# exports.sh NM LIBRARY: fails if LIBRARY shows the linker anything but gyre_* functions and data.
set -euo pipefail

dynamic=
if [[ $2 == *.so* ]]; then
    dynamic=-D
fi
symbols=$("$1" -g --defined-only $dynamic "$2" | awk 'NF == 3 { print $3 }')
if ! grep -q '^gyre_' <<<"$symbols"; then
    echo "$2 exports no gyre_ symbol at all" >&2
    exit 1
fi
if grep -v '^gyre_' <<<"$symbols" | head -n 20; then
    echo "$2 exports the symbols above" >&2
    exit 1
fi
