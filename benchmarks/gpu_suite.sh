#!/usr/bin/env bash
# Everything that needs a GPU, unattended, in under nine minutes: the tests marked gpu, training steps against peers,
# inference, loaders (dali_gpu too) alone and with the step, LIP. Ends with one table; figures as JSON in OUT_DIR.
#   benchmarks/gpu_suite.sh [OUT_DIR]
#   DEVICE=cpu benchmarks/gpu_suite.sh        the same, tiny, where no GPU is: to see that the script itself works
# A part that fails or does not end in time shows as such in the table. RESULTS.md is left alone: it is written by the
# parts when they are started one by one, without --print-only (train_step then measures more settings).
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/gpu_suite}
device=${DEVICE:-cuda}
python=${PYTHON:-python3}
limit_sec=530 # of everything
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out"
rm -f "$out"/*.json "$out"/*.txt "$out/parts.tsv"

step_words=() infer_words=() loader_words=() lip_words=()
if [ "$device" = cpu ]; then
    tiny=(--size 32 --models ViT-S --rounds 2)
    step_words=("${tiny[@]}" --batch 4 --steps 2 --loops "timm's loop")
    infer_words=("${tiny[@]}")
    loader_words=(--size 32 --batch 8 --steps 3 --photos 16 --no-compile)
    lip_words=(--batch-size 1 --rounds 1)
fi

# part NAME SECONDS COMMAND...: run it, at most so long and no longer than is left; note how it ended.
part() {
    local name=$1 seconds=$2 left=$((limit_sec - SECONDS)) start=$SECONDS code
    shift 2
    [ "$left" -lt "$seconds" ] && seconds=$left
    if [ "$seconds" -le 5 ]; then
        printf '%s\tno time left\t0\n' "$name" >> "$out/parts.tsv"
        return
    fi
    echo "== $name (at most $seconds s)"
    timeout --kill-after=5 "$seconds" "$@" > "$out/$name.txt" 2>&1
    code=$?
    printf '%s\t%s\t%s\n' "$name" "$code" $((SECONDS - start)) >> "$out/parts.tsv"
}

part tests 90 "$python" -m pytest -m gpu -q
part train_step 200 "$python" -m benchmarks.training.train_step --device "$device" --print-only --max-seconds 175 \
    --json "$out/train_step.json" "${step_words[@]}"
part jpeg_to_step 130 "$python" -m benchmarks.loaders.jpeg_to_step --device "$device" --print-only --max-seconds 115 \
    --json "$out/jpeg_to_step.json" "${loader_words[@]}"
part inference 80 "$python" -m benchmarks.training.inference --device "$device" --print-only --max-seconds 65 \
    --json "$out/inference.json" "${infer_words[@]}"
part lip 60 "$python" -m benchmarks.methods.lip --device "$device" --print-only "${lip_words[@]}"

"$python" -m benchmarks.gpu_table "$out"
