#!/bin/sh
# Makes the Debian package from a binary that is built already. Nothing is fetched.
# usage: deploy/debian/build.sh BINARY FOLDER
# Only dpkg-deb, dpkg-shlibdeps and strip are needed; MAINTAINER="Name <mail>" is who is written down as the maintainer.
set -eu

[ $# -eq 2 ] || { echo "usage: deploy/debian/build.sh BINARY FOLDER" >&2; exit 2; }
binary=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-sharpeyes <sharpeyes@$(hostname -f 2>/dev/null || hostname)>}
# The same sources give the same package.
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH="$date"

work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
# Files of the package do not depend on who builds it.
umask 022
chmod 0755 "$work"

put() { install -D -m "$1" "$2" "$root$3"; }

put 0755 "$binary" /usr/bin/sharpeyes
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/sharpeyes"
put 0644 deploy/sharpeyes.service /lib/systemd/system/sharpeyes.service

put 0644 config/sharpeyes.toml /etc/sharpeyes/sharpeyes.toml
# The targets that stand beside the settings are those that count.
sed -i 's|^# \(targets_file = "/etc/sharpeyes/targets.toml"\)$|\1|' "$root/etc/sharpeyes/sharpeyes.toml"
grep -q '^targets_file' "$root/etc/sharpeyes/sharpeyes.toml"
put 0644 config/targets.toml /etc/sharpeyes/targets.toml
for template in config/templates/*.csv; do
    put 0644 "$template" "/usr/share/sharpeyes/templates/$(basename "$template")"
done

# Rules where Debian's Prometheus finds them once its rule_files name /etc/prometheus/rules/*.yml; the rest is to be read.
for rules in deploy/prometheus/rules/*.yml; do
    [ -e "$rules" ] || continue
    put 0644 "$rules" "/etc/prometheus/rules/sharpeyes-$(basename "$rules")"
done
for example in deploy/prometheus/*.yml deploy/prometheus/README.md deploy/example-city/*; do
    [ -f "$example" ] || continue
    put 0644 "$example" "/usr/share/doc/sharpeyes/examples/${example#deploy/}"
done
for dashboard in $(find deploy/grafana -type f 2>/dev/null); do
    put 0644 "$dashboard" "/usr/share/sharpeyes/${dashboard#deploy/}"
done

for document in README.md ARCHITECTURE.md docs/operations.md docs/metrics.md docs/glossary.md docs/picture.md \
    docs/notify.md deploy/prometheus/runbook.md; do
    put 0644 "$document" "/usr/share/doc/sharpeyes/$(basename "$document")"
done
gzip -9 -n -c deploy/debian/sharpeyes.1 >"$work/sharpeyes.1.gz"
put 0644 "$work/sharpeyes.1.gz" /usr/share/man/man1/sharpeyes.1.gz
put 0644 docs/openapi.json /usr/share/doc/sharpeyes/openapi.json
put 0644 deploy/debian/lintian-overrides /usr/share/lintian/overrides/sharpeyes
put 0644 deploy/debian/copyright /usr/share/doc/sharpeyes/copyright
gzip -9 -n -c CHANGELOG.md >"$work/CHANGELOG.md.gz"
put 0644 "$work/CHANGELOG.md.gz" /usr/share/doc/sharpeyes/CHANGELOG.md.gz
printf 'sharpeyes (%s) stable; urgency=medium\n\n  * What changed is in CHANGELOG.md.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(LC_ALL=C date -u -R -d "@$date")" | gzip -9 -n >"$work/changelog.gz"
put 0644 "$work/changelog.gz" /usr/share/doc/sharpeyes/changelog.gz

# dpkg-shlibdeps looks for the source package that it is part of.
mkdir -p "$work/debian" "$root/DEBIAN"
printf 'Source: sharpeyes\n\nPackage: sharpeyes\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/sharpeyes" 2>"$work/shlibdeps" | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$work/shlibdeps" >&2; exit 1; }

(cd "$root" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) >"$root/DEBIAN/conffiles"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) \
    >"$root/DEBIAN/md5sums"
size=$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@MAINTAINER@|$maintainer|" \
    -e "s|@SIZE@|$size|" -e "s|@DEPENDS@|$depends|" deploy/debian/control >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
    install -m 0755 "deploy/debian/$script" "$root/DEBIAN/$script"
done

package=$folder/sharpeyes_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
echo "$package"
