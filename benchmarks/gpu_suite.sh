#!/usr/bin/env bash
# Everything that needs a GPU, unattended, in under nine minutes: the tests marked gpu, then network and loader timings.
#   benchmarks/gpu_suite.sh [OUT_DIR]
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/gpu_suite}
python=${PYTHON:-python3}
mkdir -p "$out"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

echo "== tests marked gpu"
timeout 150 "$python" -m pytest -m gpu -q 2>&1 | tee "$out/tests.txt" | tail -n 5
for name in R-50 RegNetY-4.0GF EN-B0; do
    echo "== $name"
    timeout 45 "$python" tools/time_net.py --cfg "configs/baselines/$name.yaml" NUM_GPUS 1 TRAIN.BATCH_SIZE 128 \
        TEST.BATCH_SIZE 256 PREC_TIME.NUM_ITER 20 DEVICE cuda OUT_DIR "$out/$name" > "$out/$name.txt" 2>&1
    grep -v json_stats "$out/$name.txt"
done
for backend in custom torch dali_gpu; do
    echo "== digits end to end, $backend"
    timeout 60 "$python" tools/train_net.py --cfg configs/quickstart/digits.yaml DEVICE cuda DATA_LOADER.BACKEND "$backend" \
        OUT_DIR "$out/digits_$backend" > "$out/digits_$backend.txt" 2>&1
    grep -E "Top-1|error:" "$out/digits_$backend.txt"
done
echo "== LIP against two average pools"
timeout 60 "$python" -m benchmarks.lip --device cuda --print-only 2>&1 | tee "$out/lip.txt" | grep "^|"
