#!/usr/bin/env bash
# scripts/test.sh [--quick]: installs what is missing, builds, and runs the tests on every driver of the matrix.
#   --quick   the release build only
#   else      also: formatting, clang, ASan+UBSan, TSan, the fuzz targets for a bounded time
# GYRE_TEST_DRIVERS="lavapipe-25 swiftshader" narrows the matrix. Without a Vulkan driver it fails.
set -euo pipefail

cd "$(dirname "$0")/.."
quick=false
case ${1:-} in
--quick) quick=true ;;
'') ;;
*)
    echo "usage: scripts/test.sh [--quick]" >&2
    exit 2
    ;;
esac

stage() {
    printf '\n== %s (%d min %02d s) ==\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

build() { # build PRESET [CMAKE-ARGUMENT...]
    stage "$1: build"
    cmake --preset "$@" >/dev/null
    cmake --build --preset "$1" -j "$(nproc)"
}

tests() { # tests PRESET [CTEST-ARGUMENT...]
    stage "$1: tests"
    ctest --preset "$@" -j "$(nproc)"
}

check_format() {
    stage "formatting"
    find include engine compiler tools samples shaders tests -name '*.[ch]' -print0 |
        xargs -0 clang-format --dry-run -Werror
}

stage "dependencies and drivers"
scripts/deps.sh
scripts/drivers.sh

if ! $quick; then
    check_format
    build clang
    tests clang -R '^unit/'
    build fuzz
    tests fuzz
    build tsan
    tests tsan
    build asan
    # Not the million messages, nor the minutes of idling, nor what is measured, nor the processes that leave a shader
    # running for ever (they leak on purpose). It is our code that is looked at here, so each program meets one driver: the
    # hardest one, or where many pipelines are built the one that does that fastest; and where a driver may take other
    # paths of ours, both. All of them run on every driver in the release build.
    many='links|cycles|nets|shards|samples'
    once='deadlines|failures|handlers|invocations|outputs|priority|requests|telemetry|topics|waiting|residency|loops'
    tests asan -E "@lavapipe-25\$|^gpu/(million|idle|stuck|carriers)@|^gpu/($once)@swiftshader\$|^(gpu/($many)|tool/pipeline)@lavapipe-"
fi
# Last, so that its summary is what a log ends with.
build release -DGYRE_WERROR=ON  # scripts/demo.sh turns it off
tests release
