#!/bin/sh
# Builds the packages twice, in folders of different names, and compares their bytes.
set -eu

cd "$(dirname "$0")/../.."
contrib/dev/install-deps.sh
[ -d vendor ] || make -s vendor
two=$(mktemp -d)
trap 'rm -rf "$two"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
for folder in "$two/one" "$two/another/one/deeper"; do
    git clone --quiet . "$folder"
    ln -s "$PWD/vendor" "$folder/vendor"
    (cd "$folder" && contrib/debian/build.sh out && contrib/rpm/build.sh out) > "$folder.log" 2>&1 || {
        tail -n 30 "$folder.log"
        exit 1
    }
    (cd "$folder/out" && sha256sum ./*.deb ./*.rpm) | tee "$two/$(basename "$folder").sums"
done
cmp "$two/one.sums" "$two/deeper.sums"
echo "the same bytes"
