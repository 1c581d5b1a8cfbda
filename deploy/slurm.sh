#!/usr/bin/env bash
# A study on a Slurm cluster: sbatch deploy/slurm.sh STUDY.yaml [options of evenkeel run]
# One Ray node a Slurm node. Before the time limit or a preemption Slurm signals the driver, which finishes the packs
# that run and stops; the job is put back into the queue, where the same command goes on. Without Ray: slurm-array.sh
#SBATCH --job-name=evenkeel
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300
# What your cluster wants besides, without the first #:
##SBATCH --account=my-account
##SBATCH --partition=gpu
set -euo pipefail

# The environment, one of these; the same on every node:
# module load python/3.12
# source "$HOME/evenkeel/bin/activate"
inside=() # inside=(apptainer exec --nv --bind /scratch "$HOME/evenkeel.sif")

study=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml [options of evenkeel run]}
shift
port=$((20000 + SLURM_JOB_ID % 10000))
read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export RAY_USAGE_STATS_ENABLED=0
export EVENKEEL_CACHE=${EVENKEEL_CACHE:-${TMPDIR:-/tmp}/evenkeel-cache}

# A step asks for its share itself: since Slurm 22.05 srun takes neither CPUs nor, on some clusters, GPUs from sbatch.
step=(srun --overlap --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK")
step+=(${SLURM_GPUS_PER_NODE:+--gpus-per-node="$SLURM_GPUS_PER_NODE"})
node=(--num-cpus="$SLURM_CPUS_PER_TASK" --object-store-memory=200000000 --disable-usage-stats --block)

"${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" \
  "${inside[@]}" ray start --head --port="$port" --temp-dir="/tmp/ek$SLURM_JOB_ID" "${node[@]}" &
for _ in $(seq 60); do
  if "${inside[@]}" ray health-check --address "$head:$port"; then break; fi
  sleep 1
done
"${inside[@]}" ray health-check --address "$head:$port" # no head: the job ends here, and not by another turn
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  others=$((SLURM_JOB_NUM_NODES - 1))
  "${step[@]}" --nodes="$others" --ntasks="$others" --exclude="$head" \
    "${inside[@]}" ray start --address="$head:$port" "${node[@]}" &
fi

"${inside[@]}" evenkeel run "$study" --address "$head:$port" "$@" &
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
