#!/bin/sh
# Makes the Debian package of a binary and holds it against what it promises; as root it is installed, upgraded, removed and purged as
# well, in a copy of this system that is gone afterwards.
# usage: tests/deb.sh BINARY
set -eu

[ $# -eq 1 ] || { echo "usage: tests/deb.sh BINARY" >&2; exit 2; }
binary=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "tests/deb.sh: $*" >&2; exit 1; }

# Whoever gives the package away writes himself down.
export MAINTAINER="${MAINTAINER:-sharpeyes <sharpeyes@example.org>}"
deb=$(deploy/debian/build.sh "$binary" "$work/first")
[ "$(basename "$deb")" = "sharpeyes_$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)_$(dpkg --print-architecture).deb" ] ||
    fail "it is called $deb"
again=$(deploy/debian/build.sh "$binary" "$work/second")
cmp "$deb" "$again" || fail "the same sources give another package"

# What it needs: the libraries that are linked, found by dpkg-shlibdeps, and the plugins that are loaded by name.
depends=$(dpkg-deb --field "$deb" Depends)
for package in libc6 libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
    gstreamer1.0-plugins-bad gstreamer1.0-libav passwd; do
    case ", $depends," in *", $package,"* | *", $package ("*) ;; *) fail "$package is not in Depends: $depends" ;; esac
done

dpkg-deb --contents "$deb" >"$work/contents"
if grep -v ' root/root ' "$work/contents"; then fail "not everything belongs to root"; fi
holds() { grep -q "^$1 .* \.$2\$" "$work/contents" || fail "$2 is not there with mode $1"; }
holds -rwxr-xr-x /usr/bin/sharpeyes
for file in /lib/systemd/system/sharpeyes.service /etc/sharpeyes/sharpeyes.toml /etc/sharpeyes/targets.toml \
    /usr/share/sharpeyes/templates/points.csv /usr/share/doc/sharpeyes/README.md /usr/share/doc/sharpeyes/CHANGELOG.md.gz \
    /usr/share/doc/sharpeyes/operations.md /usr/share/doc/sharpeyes/metrics.md /usr/share/doc/sharpeyes/glossary.md \
    /usr/share/doc/sharpeyes/notify.md /usr/share/doc/sharpeyes/copyright /usr/share/man/man1/sharpeyes.1.gz; do
    holds -rw-r--r-- "$file"
done
for rules in deploy/prometheus/rules/*.yml; do
    [ ! -e "$rules" ] || holds -rw-r--r-- "/etc/prometheus/rules/sharpeyes-$(basename "$rules")"
done
if grep -q 'camera\.key' "$work/contents"; then fail "a key is in the package"; fi

# Every alert names its section of the runbook by the path that it has here.
for runbook in $(sed -n 's/^ *runbook: \([^#]*\)#.*/\1/p' deploy/prometheus/rules/*.yml | sort -u); do holds -rw-r--r-- "$runbook"; done

dpkg-deb --control "$deb" "$work/control"
(cd "$work" && grep -o ' \./etc/.*[^/]$' contents | sed 's/^ \.//' | LC_ALL=C sort) >"$work/etc"
cmp "$work/etc" "$work/control/conffiles" || fail "conffiles are not what lies in /etc"
for script in postinst prerm postrm; do sh -n "$work/control/$script"; done

# The packaged program takes the packaged settings.
dpkg-deb --extract "$deb" "$work/root"
sed "s|/etc/sharpeyes|$work/root/etc/sharpeyes|" "$work/root/etc/sharpeyes/sharpeyes.toml" >"$work/sharpeyes.toml"
"$work/root/usr/bin/sharpeyes" check-config --config "$work/sharpeyes.toml"
# The page of the manual names each command.
"$work/root/usr/bin/sharpeyes" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | while read -r command; do
    [ "$command" = help ] || zcat "$work/root/usr/share/man/man1/sharpeyes.1.gz" | tr -d '\\\\' | grep -qx "\.B $command" ||
        fail "sharpeyes(1) does not name $command"
done
(cd "$work/root" && md5sum --quiet --check "$work/control/md5sums")

if command -v systemd-analyze >/dev/null 2>&1; then
    said=$(systemd-analyze verify --recursive-errors=no --man=no --root="$work/root" sharpeyes.service 2>&1 || true)
    [ -z "$said" ] || fail "systemd-analyze verify: $said"
    # 1.9 of 10, rounded up: whatever opens the unit further is seen here.
    systemd-analyze security --offline=true --threshold=20 --no-pager "$work/root/lib/systemd/system/sharpeyes.service" \
        >"$work/security" || { cat "$work/security"; fail "the unit is open wider than it was"; }
fi
if command -v lintian >/dev/null 2>&1; then
    lintian --fail-on error --allow-root "$deb"
fi

# From here on in a copy of this system: an overlay whose upper layer is in memory and gone with the mount name space.
if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null; then
    echo "tests/deb.sh: not root, so the package is not installed anywhere"
    exit 0
fi
cp "$deb" "$work/sharpeyes.deb"
cat >"$work/walk" <<'WALK'
set -eu
fail() { echo "tests/deb.sh: $*" >&2; exit 1; }
is() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ] || fail "$1 is $(stat -c '%U:%G %a' "$1"), not $2"; }
quietly() { "$@" >/said 2>&1 || { cat /said; fail "$*"; }; }

quietly dpkg --install /sharpeyes.deb
is /etc/sharpeyes/camera.key 'sharpeyes:sharpeyes 600'
[ "$(stat -c %s /etc/sharpeyes/camera.key)" = 32 ] || fail "the key has no 32 bytes"
is /etc/sharpeyes/sharpeyes.toml 'root:sharpeyes 640'
is /etc/sharpeyes 'root:sharpeyes 750'
is /var/lib/sharpeyes 'sharpeyes:sharpeyes 750'
[ -L /etc/systemd/system/multi-user.target.wants/sharpeyes.service ] || fail "it does not start with the machine"
if pgrep -u sharpeyes; then fail "it was started although no systemd runs"; fi
sharpeyes check-config >/dev/null
runuser -u sharpeyes -- sharpeyes import --json /usr/share/sharpeyes/templates/*.csv >/dev/null
is /var/lib/sharpeyes/sharpeyes.db 'sharpeyes:sharpeyes 600'

# An upgrade keeps the key, the settings and who may read them.
cp /etc/sharpeyes/camera.key /key
sed -i 's/^period_seconds = 300/period_seconds = 600/' /etc/sharpeyes/sharpeyes.toml
chmod 0600 /etc/sharpeyes/targets.toml
quietly dpkg --install /sharpeyes.deb
cmp /key /etc/sharpeyes/camera.key
grep -q '^period_seconds = 600' /etc/sharpeyes/sharpeyes.toml || fail "a changed setting is lost"
is /etc/sharpeyes/sharpeyes.toml 'root:sharpeyes 640'
is /etc/sharpeyes/targets.toml 'root:root 600'

quietly dpkg --remove sharpeyes
[ -e /etc/sharpeyes/camera.key ] && [ -e /var/lib/sharpeyes/sharpeyes.db ] || fail "removing it removed what was kept"
quietly dpkg --purge sharpeyes
for left in /etc/sharpeyes /var/lib/sharpeyes /usr/share/sharpeyes /etc/systemd/system/multi-user.target.wants/sharpeyes.service; do
    [ ! -e "$left" ] || fail "$left is left after the purge: $(find "$left")"
done
WALK
unshare -m sh -eu -c '
    mkdir "$1/mount"
    mount -t tmpfs upper "$1/mount"
    mkdir "$1/mount/upper" "$1/mount/work" "$1/mount/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/mount/upper,workdir=$1/mount/work" "$1/mount/root"
    mount --bind /dev "$1/mount/root/dev"
    mount -t proc proc "$1/mount/root/proc"
    cp "$1/sharpeyes.deb" "$1/walk" "$1/mount/root/"
    chroot "$1/mount/root" sh /walk' sh "$work"
echo "tests/deb.sh: $(basename "$deb") is what it promises"
