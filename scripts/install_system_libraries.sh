#!/usr/bin/env bash
# Install the system libraries that Qt and OpenGL load, on Debian and Ubuntu, if any is missing.
# PyQt6 brings Qt itself; the list is what Qt's libraries and its xcb plugin name as needed
# (objdump -p), a software OpenGL, and a virtual screen.
set -euo pipefail

[ "$(uname -s)" = Linux ] || exit 0 # macOS and Windows have all of it

# library or command : Debian package
needs=(
  xvfb-run:xvfb
  xauth:xauth
  libEGL.so.1:libegl1
  libGL.so.1:libgl1
  libGLX_mesa.so.0:libglx-mesa0
  libOpenGL.so.0:libopengl0
  libdbus-1.so.3:libdbus-1-3
  libfontconfig.so.1:libfontconfig1
  libglib-2.0.so.0:libglib2.0-0
  libgssapi_krb5.so.2:libgssapi-krb5-2
  libX11-xcb.so.1:libx11-xcb1
  libxcb-cursor.so.0:libxcb-cursor0
  libxcb-icccm.so.4:libxcb-icccm4
  libxcb-image.so.0:libxcb-image0
  libxcb-keysyms.so.1:libxcb-keysyms1
  libxcb-randr.so.0:libxcb-randr0
  libxcb-render-util.so.0:libxcb-render-util0
  libxcb-shape.so.0:libxcb-shape0
  libxcb-xkb.so.1:libxcb-xkb1
  libxkbcommon-x11.so.0:libxkbcommon-x11-0
)

libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)

missing() {
  local need name
  for need in "${needs[@]}"; do
    name=${need%%:*}
    case $name in
      lib*) grep -qF "$name " <<<"$libraries" || echo "$need" ;;
      *) command -v "$name" >/dev/null || echo "$need" ;;
    esac
  done
}

absent=$(missing)
[ -n "$absent" ] || exit 0
packages=$(sed 's/.*://' <<<"$absent" | sort -u | tr '\n' ' ')

if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
  echo "Installing system libraries: $packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # one word per package
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
  exit 0
fi

echo "The tests need these for Qt and OpenGL, and they are missing:" >&2
sed 's/\(.*\):\(.*\)/  \1  (Debian and Ubuntu: \2)/' <<<"$absent" >&2
if command -v apt-get >/dev/null; then
  echo "Install them with: sudo apt-get install $packages" >&2
else
  echo "Install them with your system's package manager, then run again." >&2
fi
exit 1
