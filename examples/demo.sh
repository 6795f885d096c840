#!/usr/bin/env bash
# Shows what Chimera is: demo.sh CHIMERA [MIB], with a disk image of that size (400). Everything happens in a folder that
# is gone at the end. `./dev demo` calls it.
set -euo pipefail
chimera=$(realpath "${1:?usage: demo.sh CHIMERA [MIB]}")
image_mib=${2:-400}
examples=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
PATH=$PATH:/usr/sbin:/sbin  # where Debian keeps mke2fs

folder=$(mktemp -d "${TMPDIR:-/tmp}/chimera-demo-XXXXXX")
server=
clean_up() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
address=unix:$folder/socket

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 && -z ${NO_COLOR-} ]] || say() { printf '\n== %s\n' "$*"; }
# Shows a command, then runs it.
run() {
  local word
  printf '$'
  for word in "${@//"$chimera"/chimera}"; do
    if [[ $word == *' '* ]]; then printf " '%s'" "$word"; else printf ' %s' "$word"; fi
  done
  printf '\n'
  "$@"
}

start_server() {
  printf '$ chimera serve store.img --listen %s &\n' "$address"
  "$chimera" serve store.img --listen "$address" >serve.log 2>&1 &
  server=$!
  until grep -q '^listening' serve.log; do
    kill -0 "$server" 2>/dev/null || { cat serve.log; exit 1; }
    sleep 0.05
  done
  cat serve.log
}

stop_server() {
  printf '$ kill -TERM %s\n' "$server"
  kill -TERM "$server"
  local status=0
  wait "$server" || status=$?
  server=
  printf 'the server ended with status %s\n' "$status"
  ((status == 0))
}

show_programs() {
  local name
  for name in hello lock rows log sparse clone transfer; do
    say "$name.asm: bytes, source, answers"
    "$chimera" send "$address" "$examples/$name.asm" --bytes
  done
  say 'mistakes.asm: what goes wrong is said, and hurts nobody'
  if "$chimera" send "$address" "$examples/mistakes.asm" --bytes; then
    echo 'mistakes.asm should have ended with status 1'
    exit 1
  fi
}

# A disk image with an ext4 file system and some hundred MiB in it.
make_image() {
  mkdir content
  echo 'Dear reader, this letter lies on a disk image.' >content/letter.txt
  head -c "$((image_mib / 2))M" /dev/urandom >content/noise.bin
  mke2fs -q -F -t ext4 -b 4096 -O ^metadata_csum,^metadata_csum_seed -L original -d content disk.raw "${image_mib}M" 2>/dev/null
  rm -r content
  # Where the letter's content lies in the image, by the file system's own tool.
  letter=$(($(debugfs -R 'blocks /letter.txt' disk.raw 2>/dev/null) * 4096))
  ls -lsh disk.raw
}

# What disk_change.asm does, with ordinary tools.
change_with_dd() {
  local i
  overwrite() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
  printf 'changed\0\0\0\0\0\0\0\0\0' | overwrite "$1" $((1024 + 0x78))
  printf 'DEAR READER' | overwrite "$1" "$letter"
  for i in {0..15}; do printf 'boot sector of no boot ' | overwrite "$1" $((i * 64)); done
}

compare() {
  if [[ $2 == "$3" ]]; then
    printf '%s: the same\n  %s\n' "$1" "$2"
  else
    printf '%s: DIFFERENT\n  %s\n  %s\n' "$1" "$2" "$3"
    exit 1
  fi
}

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

change_a_disk_image() {
  say 'The main job: a disk image in, changed by a program, and out again'
  make_image
  run "$chimera" import "$address" disk.raw disk
  { printf '.equ LETTER %s\n' "$letter"; cat "$examples/disk_change.asm"; } >change.asm
  run "$chimera" send "$address" change.asm
  run "$chimera" export "$address" out.raw disk
  run "$chimera" export "$address" before.raw 'disk before'
  ls -lsh out.raw

  say 'The same change by dd, and what the file system says'
  cp --sparse=always disk.raw expected.raw
  change_with_dd expected.raw
  compare 'the changed image and the one that dd has changed' "$(digest out.raw)" "$(digest expected.raw)"
  compare 'the clone and the image as it was' "$(digest before.raw)" "$(digest disk.raw)"
  run e2fsck -fn out.raw 2>&1
  run debugfs -R 'cat /letter.txt' out.raw 2>/dev/null
}

say 'A store, and a server on it'
run "$chimera" format store.img --size 2G
start_server
show_programs
change_a_disk_image

say 'What the store holds'
run "$chimera" devices "$address"
run "$chimera" info "$address"

say 'Stopped, and every block verified'
stop_server
run "$chimera" check store.img
