#!/bin/sh
# roots.sh DIRECTORY [SUITE…]: runs the two commands of the README, `make run` and
# `make test`, in fresh Debian 12 and 13 roots, as root (from a clone in /root, which is
# private) and as an ordinary user, and prints a table. Needs root, debootstrap and the
# network; takes an hour. Not part of `make test`.
#
# The toolchain is that of the caller (`rustc --print sysroot`), mounted into the roots,
# because a root has no rustup; so are the certificates, which the caller's network may
# need. Each user has a cargo home of its own. DIRECTORY gets the roots and a log for each
# run; a root that is there already is used again.
set -eu
[ "$(id -u)" = 0 ] || { echo "roots.sh: needs root" >&2; exit 1; }
[ $# -ge 1 ] || { echo "usage: roots.sh DIRECTORY [SUITE…]" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- bookworm trixie
rust=$(cd "$source" && rustc --print sysroot)
mirror=${MIRROR:-http://deb.debian.org/debian}

# Makes the root of SUITE with what the README asks for before its two commands.
make_root() {
    root=$directory/$1
    [ ! -e "$root/opt/ready" ] || return 0
    debootstrap --variant=minbase "$1" "$root" "$mirror" >"$directory/$1.log" 2>&1
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c \
        'apt-get update -qq && apt-get install -y -qq --no-install-recommends git make ca-certificates' \
        >>"$directory/$1.log" 2>&1
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    chroot "$root" useradd --create-home user
    mkdir -p "$root/opt/rust"
    touch "$root/opt/ready"
}

# Clones the repository into the home of USER.
clone() {
    home=$directory/$1/root
    [ "$2" = root ] || home=$directory/$1/home/$2
    rm -rf "$home/barejit"
    git clone --quiet --no-local "$source" "$home/barejit"
    chmod 700 "$home"
    chroot "$directory/$1" chown -R "$2:" "$(echo "$home" | sed "s|^$directory/$1||")"
}

# Runs `make TARGET` as USER in the root of SUITE, in namespaces that end with it.
run() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --pid --fork --propagation private sh -euc '
        root=$1 rust=$2 user=$3 target=$4
        # A root that is no mount point has no propagation to make private.
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/dev/shm"
        mount --bind "$rust" "$root/opt/rust"
        mount -o remount,bind,ro "$root/opt/rust"
        home=/root
        [ "$user" = root ] || home=/home/$user
        exec chroot --userspec="$user:$user" "$root" env -i HOME="$home" LANG=C.UTF-8 \
            PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            sh -c "cd ~/barejit && make $target"
    ' sh "$directory/$1" "$rust" "$2" "$3"
}

failed=0
table=$directory/table
echo "Debian    user  command    status  minutes  passed  failed  not run here" >"$table"
for suite in "$@"; do
    make_root "$suite"
    for user in root user; do
        clone "$suite" "$user"
        for target in run test; do
            log=$directory/$suite-$user-$target.log
            start=$(date +%s) status=0
            run "$suite" "$user" "$target" >"$log" 2>&1 || status=$?
            [ "$status" = 0 ] || failed=1
            printf '%-9s %-5s make %-5s %6d %8d %7d %7d  %s\n' "$suite" "$user" "$target" "$status" \
                $((($(date +%s) - start + 30) / 60)) \
                "$(grep -c '^test .* ok$' "$log")" "$(grep -c '^test .* FAILED$' "$log")" \
                "$(sed -n 's/^tests not run here.*: //p' "$log")" >>"$table"
        done
    done
done
cat "$table"
for log in "$directory"/*-test.log; do
    echo && basename "$log" .log && grep '^not tested here: ' "$log" || true
done
exit "$failed"
