#!/bin/sh
# Builds the RPM out of the tree as it is, into the folder that is named. PROFILE=dev is quick. Crates come from
# vendor/ (`make vendor`); on a system without RPM's own packages what is needed to build is not asked for.
set -eu

cd "$(dirname "$0")/../.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
spec=contrib/rpm/recruit-milter.spec
version=$(sed -n 's/^Version: *//p' "$spec")
top=$out/build/rpm
rm -rf "$top"
mkdir -p "$top/SOURCES"

contrib/dev/source.sh "$top/SOURCES"
# Debian has rpmbuild, but neither RPM's packages nor systemd's macros for it.
foreign=
[ ! -e /etc/debian_version ] || foreign="--nodeps --load $PWD/contrib/rpm/macros.debian"
# shellcheck disable=SC2086 # a list of words
rpmbuild -bb $foreign --quiet --define "_topdir $top" --define "profile ${PROFILE:-release}" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
    --define "_buildhost reproducible" "$spec"
mv "$top"/RPMS/*/recruit-milter-"$version"-*.rpm "$out"/
echo "built:"
ls -1 "$out"/*.rpm
