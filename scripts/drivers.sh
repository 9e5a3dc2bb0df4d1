#!/usr/bin/env bash
# scripts/drivers.sh [DIR]: gathers the Vulkan drivers of the test matrix in DIR (default build/drivers) and
# prints and writes to DIR/drivers.env one line `NAME=ICD-FILE` for each:
#   lavapipe-22   the system's lavapipe, under its real version (22.3.6 on Debian 12)
#   lavapipe-25   lavapipe of the distribution's backports, unpacked, not installed
#   swiftshader   the one inside the distribution's chromium, unpacked, not installed
#   radv          the system's RADV, for its null device (no hardware: compiles, runs nothing)
# The mirror is the one in the machine's own apt configuration; apt works in a folder of its own, so
# nothing of the system changes and root is not needed. A driver is asked for its name before it counts.
#
# Ubuntu 24.04 has no newer lavapipe in its backports and its chromium is no .deb: there the list is
# the system's lavapipe and RADV. That was not tried.
set -euo pipefail

cd "$(dirname "$0")/.."
dir=${1:-build/drivers}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
list=$dir/drivers.env
system_mesa=$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null || echo none)

die() {
    echo "drivers.sh: $*" >&2
    exit 1
}

# Still true: made for this mesa, and every file is there.
up_to_date() {
    [ -f "$list" ] && grep -qxF "# system mesa $system_mesa" "$list" || return 1
    local icd
    while IFS='=' read -r _ icd; do
        [ -f "$icd" ] || return 1
    done < <(grep -v '^#' "$list")
}

if up_to_date; then
    grep -v '^#' "$list"
    exit 0
fi

system_icd() { # system_icd NAME: its ICD file in the folders that a loader searches
    local folder file
    for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        for file in "$folder/$1"_icd*.json; do
            if [ -f "$file" ]; then
                echo "$file"
                return
            fi
        done
    done
}

add() { # add NAME ICD-FILE DEVICE-NAME-PATTERN: into the list if the driver answers
    local name=$1 icd=$2 pattern=$3 device
    device=$(VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd vulkaninfo --summary 2>/dev/null |
        sed -n 's/^[[:space:]]*deviceName[[:space:]]*= //p' | head -n 1) || true
    grep -qiE "$pattern" <<<"$device" || die "$name ($icd) does not work: its device is '${device:-none}'"
    echo "$name=$icd" >>"$list.new"
    echo "drivers.sh: $name: $device" >&2
}

# Lets the package's ICD file, in FOLDER, point at the library that was unpacked beside it.
rewrite_icd() { # rewrite_icd FOLDER
    local library
    library=$(echo "$1"/*.so)
    sed -E "s#(\"library_path\": *)\"[^\"]*\"#\1\"$library\"#" "$1"/*_icd*.json >"$1/icd.json"
    rm "$1"/*_icd*.json
}

# apt with lists, cache and status of its own. The machine's lists may be empty (fresh containers).
private_apt() {
    local command=$1
    shift
    "$command" -qq -o Dir::State="$dir/apt" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# apt over the sources that prepare_apt wrote, instead of the machine's.
matrix_apt() {
    private_apt "$@" -o Dir::Etc::sourcelist="$dir/apt/matrix.sources" -o Dir::Etc::sourceparts=/dev/null
}

# One source entry per place from which this machine takes the suite, its backports beside it. A place of
# somebody else's with a suite of the same name just has no backports, and apt goes on without it.
prepare_apt() {
    local uri suite component suites
    mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
    private_apt apt-get update >&2 || true
    # shellcheck disable=SC2016
    private_apt apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sort -u | while read -r uri suite component; do
        [ "$component" = main ] || continue
        case $suite in
        "$codename") suites="$suite $suite-backports" ;;
        "$codename-security" | "$codename-updates") suites=$suite ;;
        *) continue ;;
        esac
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
            "$uri" "$suites" /usr/share/keyrings/debian-archive-keyring.gpg
    done >"$dir/apt/matrix.sources"
    [ -s "$dir/apt/matrix.sources" ] || die "no $codename mirror in this machine's apt configuration"
    matrix_apt apt-get update >&2 || true
}

unpack() { # unpack PACKAGE[/SUITE] FOLDER FILE-PATTERN...: the matching files of the package into FOLDER
    local package=$1 folder=$2 tree pattern
    shift 2
    tree=$(mktemp -d "$dir/unpack.XXXXXX")
    (cd "$tree" && matrix_apt apt-get download "$package" >&2) || die "cannot download $package"
    dpkg-deb -x "$tree"/*.deb "$tree"
    rm -rf "$folder"
    mkdir -p "$folder"
    for pattern in "$@"; do
        find "$tree" -type f -name "$pattern" -exec mv {} "$folder/" \;
    done
    rm -rf "$tree"
}

backports_lavapipe() {
    local version major
    version=$(matrix_apt apt-cache madison mesa-vulkan-drivers | awk -F'|' '$3 ~ /-backports/ {print $2; exit}' | tr -d ' ')
    [ -n "$version" ] || die "no mesa-vulkan-drivers in $codename-backports"
    major=${version%%.*}
    unpack "mesa-vulkan-drivers=$version" "$dir/lavapipe-$major" libvulkan_lvp.so 'lvp_icd*.json'
    rewrite_icd "$dir/lavapipe-$major"
    add "lavapipe-$major" "$dir/lavapipe-$major/icd.json" llvmpipe
}

swiftshader() {
    unpack chromium-common "$dir/swiftshader" libvk_swiftshader.so vk_swiftshader_icd.json
    rewrite_icd "$dir/swiftshader"
    add swiftshader "$dir/swiftshader/icd.json" swiftshader
}

# shellcheck source=/dev/null
. /etc/os-release
codename=${VERSION_CODENAME:-}

echo "# system mesa $system_mesa" >"$list.new"
lavapipe=$(system_icd lvp)
if [ -n "$lavapipe" ]; then
    major=$(sed -E 's/^([0-9]+:)?([0-9]+)\..*/\2/' <<<"$system_mesa")
    add "lavapipe-$major" "$lavapipe" llvmpipe
fi
if [ "${ID:-}" = debian ]; then
    prepare_apt
    backports_lavapipe
    swiftshader
    rm -rf "$dir/apt"
fi
radv=$(system_icd radeon)
if [ -n "$radv" ]; then
    # Not asked: vulkaninfo 1.3.239 crashes on the null device of Mesa 22.3.6. The radv tests do ask.
    echo "radv=$radv" >>"$list.new"
fi
mv "$list.new" "$list"
grep -v '^#' "$list" || die "no Vulkan driver found"
