#!/bin/sh
# The files of the source, each ended by a NUL: those that git knows, or in an unpacked archive all but what was
# built and fetched.
set -eu

cd "$(dirname "$0")/../.."
if [ -e .git ]; then
    git ls-files -z
else
    find . \( -path ./target -o -path ./vendor \) -prune -o ! -type d -printf '%P\0' | LC_ALL=C sort -z
fi
