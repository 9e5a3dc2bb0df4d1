#!/bin/sh
# merge.sh CC NM OBJCOPY OUTPUT OBJECT-OR-ARCHIVE...: one relocatable object in which only gyre_* is global.
set -eu

cc=$1 nm=$2 objcopy=$3 output=$4
shift 4

# Groups are resolved now: a C++ program with the same inline function must not make the linker drop the copy
# that our local symbols mean.
"$cc" -r -nostdlib -Wl,--force-group-allocation -o "$output.all" "$@"

# objcopy cannot make a unique symbol (static data of C++ inline functions) local, so it gets a name of its own.
"$nm" -g --defined-only "$output.all" | awk '$2 == "u" { print $3, "gyre_unique" $3 }' >"$output.names"
"$objcopy" --redefine-syms="$output.names" --localize-hidden --wildcard --keep-global-symbol='gyre_*' \
    "$output.all" "$output"
