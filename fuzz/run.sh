#!/usr/bin/env bash
# fuzz/run.sh BUILD [SECONDS [TARGET…]]: runs each fuzz target of a build folder for that long (60). Fails if one finds
# something, and if the planted bug is not found. `./dev fuzz` builds them, under the address and undefined-behaviour
# sanitizers, and calls this.
# What a run has learned stays in build-fuzz/corpus; what breaks a target stays in build-fuzz/findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

programs=${1:?usage: fuzz/run.sh BUILD [SECONDS [TARGET…]]}/fuzz
seconds=${2:-60}
build="build-fuzz"

targets=("${@:3}")
if ((${#targets[@]} == 0)); then
  mapfile -t targets < <(find "$programs" -maxdepth 1 -type f -executable -name 'fuzz_*' -printf '%f\n' 2>/dev/null |
    sed 's/^fuzz_//' | sort)
fi
if ((${#targets[@]} == 0)); then
  echo "fuzz: no targets in $programs. They need libFuzzer, on Debian the package libclang-rt-14-dev, and a build folder" >&2
  echo 'that was configured with it: remove that folder, and ./dev makes it anew.' >&2
  exit 1
fi

# run TARGET SECONDS LENGTH: inputs of at most that many bytes; its output goes to build-fuzz/TARGET.log.
run() {
  local seeds=()
  [[ ! -d fuzz/corpus/$1 ]] || seeds+=("fuzz/corpus/$1")
  mkdir -p "$build/corpus/$1" "$build/findings"
  "$programs/fuzz_$1" -entropic=0 -max_total_time="$2" -artifact_prefix="$build/findings/$1-" -max_len="$3" \
    -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 "$build/corpus/$1" "${seeds[@]}" >"$build/$1.log" 2>&1
}

failed=0
for target in "${targets[@]}"; do
  if [[ $target == planted ]]; then
    rm -rf "$build/corpus/planted"
    if run planted 120 16; then
      echo "FAIL  planted: the bug that is there was not found"
      failed=1
    else
      rm -f "$build"/findings/planted-*
      echo "ok    planted: found"
    fi
  elif run "$target" "$seconds" 4096; then
    echo "ok    $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log") inputs in $seconds s"
  else
    echo "FAIL  $target: see $build/$target.log; the input is in $build/findings"
    tail -n 40 "$build/$target.log"
    failed=1
  fi
done
exit $failed
