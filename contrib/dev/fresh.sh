#!/bin/sh
# Runs commands on a Debian that has nothing on it but apt, git and make: fresh.sh RELEASE COMMAND...
#
# A new root is made by mmdebstrap below $TMPDIR, a clone of the last commit put into it, and each COMMAND run
# there by a shell, one after the other, with processes, mounts and cgroups of its own. The first that fails ends it.
# The root is taken away afterwards, unless KEEP is set. Needs root, mmdebstrap and some 15 GB.
set -eu

[ $# -ge 2 ] || { echo "usage: fresh.sh RELEASE COMMAND..." >&2; exit 64; }
release=$1
shift
cd "$(dirname "$0")/../.."

root=$(mktemp -d "${TMPDIR:-/tmp}/fresh-$release-XXXXXX")
cleanup() {
    [ -z "${KEEP-}" ] || { echo "fresh: left in $root"; return; }
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT

mirror=http://deb.debian.org/debian
mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,make "$release" "$root" \
    "deb $mirror $release main" "deb $mirror $release-updates main" "deb $mirror-security $release-security main"
git clone --quiet --no-hardlinks . "$root/root/recruit-milter"

# Where TLS goes through a proxy, its certificate has to be known in there as well.
if [ -n "${SSL_CERT_FILE-}" ]; then
    cp "$SSL_CERT_FILE" "$root/etc/ssl/proxy.pem"
    proxy="SSL_CERT_FILE=/etc/ssl/proxy.pem CARGO_HTTP_CAINFO=/etc/ssl/proxy.pem GIT_SSL_CAINFO=/etc/ssl/proxy.pem"
fi
[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# As on a machine that has booted; Postfix's tests ask by this name.
echo fresh > "$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 fresh.example fresh\n' > "$root/etc/hosts"

# shellcheck disable=SC2016 # for the shell in there
enter='
set -eu
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sys sys
mount -t cgroup2 cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run
mkdir run/lock
hostname fresh
mkdir -p old
pivot_root . old
umount -l /old
rmdir /old
# A cgroup with processes of its own can have no others below it.
mkdir -p /sys/fs/cgroup/shell && echo $$ > /sys/fs/cgroup/shell/cgroup.procs || true
cd /root/recruit-milter
for command in "$@"; do
    begin=$(date +%s)
    status=0
    sh -c "$command" || status=$?
    echo "fresh: $command: $status, $(($(date +%s) - begin)) s"
    [ "$status" = 0 ] || exit "$status"
done
'
# shellcheck disable=SC2086 # a list of words
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 ${proxy-} \
    unshare --mount --propagation private --pid --fork --kill-child --cgroup --uts \
    sh -c "$enter" sh "$root" "$@"
