#!/bin/sh
# A Slurm of one machine, for tests: sh benchmarks/slurm_here.sh FOLDER. Needs root and Debian's slurmctld, slurmd, munge.
# Then: export SLURM_CONF=FOLDER/slurm.conf. It has no accounting, as many small ones have none.
set -eu
mkdir -p "$1/state" "$1/spool" "$1/log" "$1/munge"
place=$(cd "$1" && pwd)
host=$(hostname -s)
cat > "$place/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/munge.socket
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/log/slurmctld.log
SlurmdLogFile=$place/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
dd if=/dev/urandom of="$place/munge/munge.key" bs=1024 count=1 2> /dev/null
chmod 400 "$place/munge/munge.key"
munged --force --key-file="$place/munge/munge.key" --socket="$place/munge/munge.socket" \
  --pid-file="$place/munge/munged.pid" --log-file="$place/munge/munged.log" --seed-file="$place/munge/seed"
export SLURM_CONF="$place/slurm.conf"
slurmctld
slurmd
sleep 3
sinfo
echo "export SLURM_CONF=$SLURM_CONF"
