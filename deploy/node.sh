#!/bin/sh
# A node in a container without --privileged: its own view of cgroups and mounts, then runtime, kubelet and proxy, each started
# again when it ends. Killing the container is pulling the node's plug; what is on its volume stays.
set -eu

if [ "${1:-}" != inside ]; then
  # Engines start containers with cgroups and /proc/sys read-only; in namespaces of its own SYS_ADMIN may mount them anew.
  exec unshare --cgroup --mount --propagation private "$0" inside
fi

mount_cgroups() {
  umount -R /sys/fs/cgroup
  mount -o remount,rw,bind /sys
  if grep -q '^0::' /proc/self/cgroup && ! grep -qv '^0::' /proc/self/cgroup; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # A group that delegates controllers may hold no process itself.
    mkdir -p /sys/fs/cgroup/init
    while read -r pid; do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs || true; done < /sys/fs/cgroup/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true; done
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    case "$controllers" in
    "") continue ;;
    name=*) folder=${controllers#name=} options=none,$controllers ;;
    *) folder=$controllers options=$controllers ;;
    esac
    mkdir -p "/sys/fs/cgroup/$folder"
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$folder"
  done < /proc/self/cgroup
}

mount -o remount,rw,bind /proc/sys
mount_cgroups
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lenj /run/netns
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter

name=$(hostname)
address=$(hostname -i)
# The kubelet knows pods' names by the cluster's DNS; a packet from this host to a service needs a route before it is rewritten.
ip route add 10.96.0.0/16 dev eth0 src "$address"

stopping=
keep() {
  while [ -z "$stopping" ]; do
    node --max-semi-space-size=2 "$@" &
    child=$!
    trap 'stopping=1; kill "$child" 2> /dev/null || true' TERM
    wait "$child" || true
    # Interrupted by the signal, `wait` returns before its child has ended.
    wait "$child" 2> /dev/null || true
    [ -n "$stopping" ] || sleep 1
  done
}

keep packages/runtime/dist/main.js \
  --listen=unix:///run/lenj/runtime.sock \
  --root=/var/lib/lenj/runtime \
  --state=/run/lenj/runtime \
  --registry-mirror=http://10.200.0.5:5000 \
  --health-port=10351 &
runtime=$!
keep packages/kubelet/dist/main.js \
  --kubeconfig="/credentials/kubeconfigs/$name" \
  --hostname-override="$name" \
  --node-ip="$address" \
  --root-dir=/var/lib/lenj/kubelet \
  --container-runtime-endpoint=unix:///run/lenj/runtime.sock \
  --client-ca-file=/credentials/pki/ca.crt \
  --tls-cert-file="/credentials/pki/$name.crt" \
  --tls-private-key-file="/credentials/pki/$name.key" \
  --cluster-dns=10.96.0.10 \
  --cluster-domain=cluster.local \
  --pod-log-dir=/var/lib/lenj/log/pods \
  --container-log-dir=/var/lib/lenj/log/containers \
  --pod-manifest-path=/var/lib/lenj/manifests &
kubelet=$!
keep packages/proxy/dist/main.js \
  --kubeconfig="/credentials/kubeconfigs/$name-proxy" \
  --hostname-override="$name" \
  --cluster-cidr=10.244.0.0/16 \
  --healthz-bind-address=127.0.0.1:10256 &
proxy=$!

trap 'kill "$kubelet" "$proxy" "$runtime" 2> /dev/null || true' TERM INT
wait "$kubelet" "$proxy" "$runtime" || wait "$kubelet" "$proxy" "$runtime" || true
