#!/bin/sh
# Installs the Debian packages that a make target needs and that are missing.
# usage: deploy/packages.sh build|run|test|bench
set -eu

build="build-essential pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev"
# Clips are encoded with x264 (ugly) and x265 (bad); the simulator serves them with the parsers of bad.
# Key frames are decoded with those of libav, and with the JPEG of good. rtspsrc is of good, its TLS of glib-networking.
run="$build gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
gstreamer1.0-libav glib-networking"
# RTSP servers, clients, databases, receivers of notifications and a browser that were written by others, for the acceptance tests.
test="$run gstreamer1.0-x python3 python3-venv python3-gi gir1.2-gst-rtsp-server-1.0 vlc-bin vlc-plugin-base \
rtsp-server-perl ffmpeg openssl postgresql-15 prometheus prometheus-alertmanager \
python3-aiosmtpd rsyslog webhook curl chromium"
bench="$test gstreamer1.0-tools"

case "${1:-}" in
  build) wanted=$build ;;
  run) wanted=$run ;;
  test) wanted=$test ;;
  bench) wanted=$bench ;;
  *) echo "usage: deploy/packages.sh build|run|test|bench" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "These packages are missing and apt-get is not here to install them:$missing" >&2
  echo "Install what they hold with your system's package manager and try again." >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing:$missing" >&2
  echo "Install them as root and try again:  sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing$missing"
# Servers that come with the packages must not start: the tests start their own on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
