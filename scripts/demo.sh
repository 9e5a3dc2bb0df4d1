#!/usr/bin/env bash
# scripts/demo.sh: installs what is missing, builds, and runs Gyre on this machine's own Vulkan device: what it
# finds there, then real handwritten digits through a kernel that stays resident, then the same without it.
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/deps.sh
# A compiler newer than ours may warn of something new: that must not stop a demonstration.
cmake --preset release -DGYRE_WERROR=OFF >/dev/null
cmake --build --preset release -j "$(nproc)" --target gyre-tool samples

bin=build/release/bin
digits=samples/digits
answers=build/release/digits-answers.jsonl

printf '\n== What Gyre finds on this machine ==\n'
"$bin/gyre" info

printf '\n== 1,797 handwritten digits, each a message to one resident kernel ==\n'
"$bin/gyre" run "$digits/digits.comp" --bind "Model=$digits/model.f32" \
    --input "$digits/digits.jsonl" --output "$answers"
"$bin/digits-score" "$answers" "$digits/digits.jsonl" "$digits/model.f32"

printf '\n== The same job by one dispatch per digit and by messages to the resident kernel ==\n'
"$bin/digits-compare"
