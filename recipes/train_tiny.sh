#!/bin/sh
# videoprism-tiny and videoprism-lvt-tiny from nothing to weights. Call it again after an interruption: what is finished
# is kept, what was begun goes on.
#
#   recipes/train_tiny.sh gpu [RUNS]     the recipes as they are: one H100, about 20 minutes
#   recipes/train_tiny.sh cpu [RUNS]     small pictures and fewer clips: two cores, about 80 minutes
#
# RUNS is a folder (runs/tiny). Real footage is copied from $FOOTAGE (../shared/footage).
set -eu
cd "$(dirname "$0")/.."
profile="${1:-}"
runs="${2:-runs/tiny}"
python="${PYTHON:-.venv/bin/python}"
case "$profile" in
    gpu) stage1="" ; native1="" ; stage2="" ; native2="" ; text="" ;;
    cpu)
        # Pictures of 6 x 6 patches; 38,400 clips in stage 1, 12,800 in stage 2, some hundreds at the size of the model.
        stage1="--clips.size 108 --loop.steps 300 --optimizer.warmup_steps 30 --optimizer.learning_rate 5e-4 --loop.checkpoint_every 50"
        stage2="--clips.size 108 --loop.steps 200 --optimizer.warmup_steps 20 --loop.checkpoint_every 50"
        native1="--loop.steps 24 --loop.batch_size 32 --optimizer.warmup_steps 3 --loop.checkpoint_every 12 --loop.log_every 2"
        native2="--loop.steps 20 --loop.batch_size 16 --optimizer.warmup_steps 4 --loop.checkpoint_every 12 --loop.log_every 2"
        text="--clips.num_frames 8 --clips.size 144 --loop.steps 80 --optimizer.warmup_steps 8"
        # Large pages: a step makes and drops gigabytes, and asking the kernel for small ones took a quarter of its time.
        export GLIBC_TUNABLES="glibc.malloc.hugetlb=1"
        ;;
    *) echo "expected gpu or cpu, found \"$profile\": recipes/train_tiny.sh gpu|cpu [RUNS]" >&2 ; exit 2 ;;
esac

"$python" -m benchmarks.proof.footage_split collect --footage "${FOOTAGE:-../shared/footage}" --out runs/footage

# part STAGE RECIPE OPTIONS...: one training, unless it is finished
part() {
    stage="$1" ; name="$2" ; shift 2
    if [ -e "$runs/$name/model.json" ]; then
        echo "$name: finished"
        return
    fi
    "$python" -c "from vp_science.cli import main; main()" train "$stage" --config "recipes/tiny_$name.toml" --out "$runs/$name" --resume "$@"
}

# shellcheck disable=SC2086
{
    part contrastive stage1 $stage1
    part contrastive stage1_native --init "$runs/stage1" $native1
    part distill stage2 --init "$runs/stage1_native" $stage2
    part distill stage2_native --init "$runs/stage2" --teacher "$runs/stage1_native" $native2
    part contrastive text --init "$runs/stage1_native" --video-init "$runs/stage2_native" $text
}
"$python" recipes/pack_tiny.py "$runs/text" --out "$runs/videoprism-lvt-tiny.safetensors"
