#!/usr/bin/env bash
# A head and two nodes of a Ray cluster, each in a network of its own, with its own /tmp, shared memory and cache,
# joined by a bridge; the study runs from the head and records in a folder that all of them see.
# usage: unshare --net --mount --pid --fork --mount-proc bash namespaces.sh STUDY FOLDER  (as root)
set -eu
study=$1 folder=$2 cache=$2/cache
RAY_AUTH_TOKEN=$(python -c "import secrets; print(secrets.token_hex(32))")
export EVENKEEL_CACHE=$cache RAY_AUTH_MODE=token RAY_AUTH_TOKEN
mkdir -p "$cache"
ip link set lo up
ip link add bridge0 type bridge
ip addr add 10.77.0.1/24 dev bridge0
ip link set bridge0 up
mkdir -p /run/netns
mount -t tmpfs none /run/netns

network() { # name, address
  ip netns add "$1"
  ip link add "$1" type veth peer name eth0 netns "$1"
  ip link set "$1" master bridge0 up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" link set eth0 up
  ip -n "$1" link set lo up
}

inside() { # name, command
  ip netns exec "$1" unshare --mount bash -c "for own in $cache /tmp /dev/shm; do mount -t tmpfs none \$own; done; $2"
}

start="ray start --object-store-memory 80000000 --disable-usage-stats"
network head 10.77.0.2
number=3
for node in left right; do
  address=10.77.0.$number
  network $node $address
  inside $node "until $start --address 10.77.0.2:6399 --node-ip-address $address --num-cpus 1 --block; do sleep 1; done" \
    > "$folder/$node.log" 2>&1 &
  number=$((number + 1))
done
inside head "
  $start --head --port 6399 --node-ip-address 10.77.0.2 --num-cpus 0 --include-dashboard false > $folder/head.log 2>&1
  until ray status 2> /dev/null | grep -q '/2.0 CPU'; do sleep 1; done
  python -m evenkeel run $study --address 10.77.0.2:6399 --storage $folder/records"
