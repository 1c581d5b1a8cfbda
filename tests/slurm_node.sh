#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, in a network of its own: munge, slurmctld and slurmd as Debian packs them;
# then the command, to which sbatch, srun and squeue answer.
# usage: unshare --net --mount --pid --fork --mount-proc bash slurm_node.sh FOLDER COMMAND...  (as root)
set -eu
folder=$1
shift
ip link set lo up
ip link add bridge0 type bridge # with the loopback alone, addresses of this machine are not looked up at all
ip addr add 10.78.0.1/24 dev bridge0
ip link set bridge0 up
host=$(hostname)
mkdir -p "$folder"/{state,spool,munge}
chmod 0755 "$folder" "$folder/munge"
head -c 128 /dev/urandom > "$folder/munge/key"
chmod 0400 "$folder/munge/key"
munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" --pid-file="$folder/munge/pid" \
  --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
cat > "$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
JobRequeue=1
ReturnToService=2
MailProg=/bin/true
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd -N "$host"
for _ in $(seq 100); do
  if sinfo --noheader --format=%T 2> /dev/null | grep -q idle; then break; fi
  sleep 0.2
done
exec "$@"
