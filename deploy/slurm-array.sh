#!/usr/bin/env bash
# A study as a Slurm array, without Ray: sbatch --array=1-16 deploy/slurm-array.sh STUDY.yaml [options of evenkeel run]
#SBATCH --job-name=evenkeel --cpus-per-task=4 --mem=16G --time=04:00:00
#SBATCH --requeue --open-mode=append --signal=TERM@300
##SBATCH --gpus=1 --account=my-account --partition=gpu
# source "$HOME/evenkeel/bin/activate"
code=0
shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" evenkeel run "$@" --shard "$shard" || code=$?
case $code in 130 | 3) scontrol requeue "$SLURM_JOB_ID" ;; *) exit "$code" ;; esac
