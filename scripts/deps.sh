#!/usr/bin/env bash
# Installs what building and testing Gyre needs, as root or through sudo.
# Does nothing, fast, when all is there. The names are those of Debian 12; Ubuntu 24.04 was not tried.
set -euo pipefail

packages=(
    gcc g++ clang clang-format binutils cmake ninja-build pkg-config python3 ca-certificates
    libvulkan-dev libvulkan-volk-dev libvulkan1 vulkan-tools vulkan-validationlayers mesa-vulkan-drivers
    libshaderc-dev glslang-dev glslang-tools glslc spirv-tools spirv-headers libspirv-cross-c-shared-dev
    libjansson-dev libxxhash-dev libcriterion-dev libsndfile1-dev libfftw3-dev libcairo2-dev libpng-dev
)

if ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: not a Debian or Ubuntu machine; README.md names what must be installed" >&2
    exit 0
fi

missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# The sanitizer and fuzzer run-time of clang bears the version of the distribution's clang.
runtime() {
    local clang
    clang=$(readlink -f "$(command -v clang)" | grep -oE '[0-9]+' | tail -n 1)
    echo "libclang-rt-${clang}-dev"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

wanted=$(missing "${packages[@]}")
if [ -n "$wanted" ]; then
    as_root apt-get update -qq >&2
    # shellcheck disable=SC2086
    install $wanted
fi
wanted=$(missing "$(runtime)")
if [ -n "$wanted" ]; then
    install "$wanted"
fi
