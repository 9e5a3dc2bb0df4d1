#!/usr/bin/env bash
# build_app.sh HOW PREFIX SOURCE FOLDER CC: builds and runs tests/consumer/app as a stranger would.
#   HOW     find_package, pkg_config, pkg_config_static: from what was installed to PREFIX;
#           add_subdirectory: with the source tree SOURCE inside the project
#   FOLDER  where to build, emptied first
set -euo pipefail

how=$1 prefix=$2 source=$3 folder=$4 cc=$5
app=$source/tests/consumer/app
rm -rf "$folder"
mkdir -p "$folder"

with_cmake() {
    cmake -S "$app" -B "$folder" -G Ninja -DCMAKE_C_COMPILER="$cc" "$@"
    cmake --build "$folder" # which runs the programs, too
}

with_pkg_config() {
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name gyre.pc)")
    local shaders libraries
    shaders=$(pkg-config --variable=shaderdir gyre)
    libraries=$(pkg-config --variable=libdir gyre)
    glslc --target-env=vulkan1.2 -I "$shaders" -mfmt=num -o "$folder/echo.spv.h" "$app/echo.comp"
    if [ "$1" = static ]; then
        # With -lgyre a linker takes the shared library where both are: the stranger names the archive.
        # shellcheck disable=SC2046
        "$cc" -std=c11 "$app/main.c" -I "$folder" $(pkg-config --cflags gyre) -o "$folder/app" \
            "$libraries/libgyre.a" $(pkg-config --static --libs-only-l --libs-only-other gyre | sed 's/-lgyre\b//')
        "$folder/app"
    else
        # shellcheck disable=SC2046
        "$cc" -std=c11 "$app/main.c" -I "$folder" $(pkg-config --cflags --libs gyre) -o "$folder/app"
        LD_LIBRARY_PATH=$libraries "$folder/app"
    fi
}

case $how in
find_package) with_cmake -DCMAKE_PREFIX_PATH="$prefix" ;;
add_subdirectory) with_cmake -DGYRE_SOURCE="$source" ;;
pkg_config) with_pkg_config shared ;;
pkg_config_static) with_pkg_config static ;;
*) exit 2 ;;
esac
