#!/usr/bin/env bash
# Trainings at the shape of a 1.5 B model on one GPU, in at most six minutes (see gpu.py).
#
#     benchmarks/gpu.sh                              on a machine with a GPU
#     benchmarks/gpu.sh --keep                       and keep the table for the page on speed
#     benchmarks/gpu.sh --shape tiny --device cpu    tries the script where there is no GPU
#
# PYTHON names another interpreter than that of .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
exec timeout --kill-after=10 360 "${PYTHON:-.venv/bin/python}" benchmarks/gpu.py "$@"
