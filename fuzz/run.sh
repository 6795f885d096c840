#!/usr/bin/env bash
# fuzz/run.sh [SECONDS [TARGET…]]: builds the fuzz targets under the address and undefined-behaviour sanitizers, and runs
# each for that long (60). Fails if one finds something, and if the planted bug is not found.
# What a run has learned stays in build-fuzz/corpus; what breaks a target stays in build-fuzz/findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
build="build-fuzz"

library=$(find /usr/lib/llvm-*/lib/clang /usr/lib/clang -name "libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null | sort -V | tail -1) || true
if [[ -z $library ]]; then
  echo 'fuzz: libFuzzer is not installed. On Debian it is in the package libclang-rt-14-dev.' >&2
  exit 1
fi

if [[ ! -f $build/build.ninja ]]; then
  meson setup "$build" -Doptimization=1 -Ddebug=false -Dcpp_args=-g1 -Db_sanitize=address,undefined "-Dlibfuzzer=$library"
fi
mapfile -t built < <(ninja -C "$build" -t targets all | sed -n 's|^fuzz/fuzz_\([a-z_]*\): .*|\1|p' | sort)
ninja -C "$build" "${built[@]/#/fuzz/fuzz_}"

targets=("${@:2}")
((${#targets[@]})) || targets=("${built[@]}")

# run TARGET SECONDS LENGTH: inputs of at most that many bytes; its output goes to build-fuzz/TARGET.log.
run() {
  local seeds=()
  [[ ! -d fuzz/corpus/$1 ]] || seeds+=("fuzz/corpus/$1")
  mkdir -p "$build/corpus/$1" "$build/findings"
  "$build/fuzz/fuzz_$1" -entropic=0 -max_total_time="$2" -artifact_prefix="$build/findings/$1-" -max_len="$3" \
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
