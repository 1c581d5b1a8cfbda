#!/usr/bin/env bash
# A study on a Slurm cluster: sbatch deploy/slurm.sh STUDY.yaml [options of evenkeel run]
# One Ray node a Slurm node. Before the time limit or a preemption Slurm signals the driver, which finishes the packs
# that run and stops; the job is put back into the queue, where the same command goes on.
#SBATCH --job-name=evenkeel
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300
set -euo pipefail

study=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml [options of evenkeel run]}
shift
port=$((20000 + SLURM_JOB_ID % 10000))
read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RAY_USAGE_STATS_ENABLED=0
export EVENKEEL_CACHE=${EVENKEEL_CACHE:-${TMPDIR:-/tmp}/evenkeel-cache}

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
  ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
for _ in $(seq 60); do
  if ray health-check --address "$head:$port"; then break; fi
  sleep 1
done
ray health-check --address "$head:$port" # no head: the job ends here, and not by another turn
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --overlap \
    ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

evenkeel run "$study" --address "$head:$port" "$@" &
driver=$!
stopping=
trap 'stopping=1; kill -TERM "$driver"' TERM

code=0
wait "$driver" || code=$?
if [ -n "$stopping" ]; then # wait ended with the signal: now for the driver itself
  code=0
  wait "$driver" || code=$?
fi
case $code in
  130 | 3) scontrol requeue "$SLURM_JOB_ID" ;; # stopped by the signal, or a node died: go on in another turn
esac
exit "$code"
