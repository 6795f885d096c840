#!/usr/bin/env bash
# package.sh BUILD TARGET: makes the packages of what has been built in the folder BUILD, which is to be configured with
# the prefix /usr. They and the folder that they were made in stand in TARGET, which is emptied first.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "$1")
target=$2

prefix=$(meson introspect "$build" --buildoptions |
  python3 -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
if [[ $prefix != /usr ]]; then
  echo "$build is configured for the prefix $prefix: meson configure $build -Dprefix=/usr" >&2
  exit 1
fi

rm -rf "${target:?}"
mkdir -p "$target/source"
# All that goes into packages and is not built.
(cd "$root" && cp --parents -R debian docs examples service clients/python/chimera.py README.md CHANGELOG.md LICENSE \
  "$(realpath "$target/source")")
cd "$target/source"
CHIMERA_BUILD=$build dpkg-buildpackage --build=binary --no-sign --no-pre-clean
