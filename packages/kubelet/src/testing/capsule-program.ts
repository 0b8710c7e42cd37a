/**
 * Shell program that runs its arguments as the first process of a node capsule: own network, mount, pid, uts, ipc and
 * cgroup namespaces, and a cgroup of its own that looks like a machine's root. $1 names the capsule.
 */
export const capsuleProgram = `
set -e
name=$1; shift
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  for c in /sys/fs/cgroup/*; do
    [ -w "$c/cgroup.procs" ] || continue
    mkdir -p "$c/lenj/$name"
    if [ -e "$c/cpuset.cpus" ]; then
      for d in lenj "lenj/$name"; do for f in cpuset.cpus cpuset.mems; do cat "$c/$f" > "$c/$d/$f"; done; done
    fi
    echo $$ > "$c/lenj/$name/cgroup.procs"
  done
fi
exec unshare --cgroup --net --mount --uts --ipc --pid --fork --kill-child=SIGKILL --mount-proc --propagation private sh -c '
set -e
name=$1; shift
hostname "$name"
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
controllers=$(cd /sys/fs/cgroup && ls)
unified=$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo yes || true)
mount -t sysfs sysfs /sys
if [ -n "$unified" ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for c in $controllers; do
    case $c in unified|systemd|cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|hugetlb|perf_event|net_cls|net_prio|cpu,cpuacct) ;; *) continue;; esac
    mkdir /sys/fs/cgroup/$c
    case $c in
      unified) mount -t cgroup2 cgroup2 /sys/fs/cgroup/$c 2>/dev/null || rmdir /sys/fs/cgroup/$c ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/$c 2>/dev/null || rmdir /sys/fs/cgroup/$c ;;
      *) mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c 2>/dev/null || rmdir /sys/fs/cgroup/$c ;;
    esac
  done
fi
mount -t tmpfs tmpfs /run
exec "$@"
' sh "$name" "$@"
`;
