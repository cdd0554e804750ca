#!/bin/sh
# What a fuzz target's corpus reaches: line coverage of the readers by file, lowest first.
#
#   contrib/dev/fuzz-coverage.sh TARGET
#
# Needs `rustup component add llvm-tools`. Lines that are never reached: target/fuzz/TARGET.html.
set -eu
cd "$(dirname "$0")/../.."

target=$1
work=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
program=$work/coverage/$host/release/$target
tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
export RUSTC_BOOTSTRAP=1

[ -x "$tools/llvm-cov" ] || {
    echo "fuzz-coverage: llvm-cov is missing: rustup component add llvm-tools" >&2
    exit 69
}
# The program is built with counters and tries every mail once. (Naming the target keeps them out of
# what runs while it is built.)
RUSTFLAGS="-C instrument-coverage --cfg fuzzing" cargo build --locked --quiet --release \
    --manifest-path tests/fuzz/Cargo.toml --target-dir "$work/coverage" --target "$host" --bin "$target"
rm -f "$work/$target"-*.profraw
find "$work/corpus/$target" "$work/seeds" "tests/fuzz/regressions/$target" -type f -print0 |
    LLVM_PROFILE_FILE="$work/$target-%p.profraw" xargs -0 "$program" \
        >/dev/null 2>&1
"$tools/llvm-profdata" merge -sparse "$work/$target"-*.profraw -o "$work/$target.profdata"
rm -f "$work/$target"-*.profraw

cover() {
    command=$1
    shift
    # Only the program's own code; the standard library and the crates have tests of their own.
    "$tools/llvm-cov" "$command" "$program" \
        "-instr-profile=$work/$target.profdata" \
        -ignore-filename-regex='(/\.cargo/|/rustc/|tests/fuzz|libfuzzer)' "$@"
}
cover show -format=html -show-line-counts-or-regions=false >"$work/$target.html"
echo "line coverage of $target, by file:"
cover export -summary-only |
    python3 -c '
import json, sys
for file in sorted(json.load(sys.stdin)["data"][0]["files"], key=lambda f: f["summary"]["lines"]["percent"]):
    lines = file["summary"]["lines"]
    name = file["filename"].rsplit("src/", 1)[-1]
    if lines["covered"]:
        print("  %5.1f %%  %5d of %5d  %s" % (lines["percent"], lines["covered"], lines["count"], name))
'
