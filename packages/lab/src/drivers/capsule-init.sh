# First process of a node: its own mounts, then reaping orphans until it is killed.
# Arguments: node name, cgroup version (0 for none), folder for node-local files, file that says ready.
set -e
# In a user namespace only the program may set it; elsewhere the program may be missing.
hostname "$1" 2>/dev/null || echo "$1" > /proc/sys/kernel/hostname || true
mount -t sysfs sysfs /sys
case "$2" in
1)
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for controller in $5; do
    mkdir "/sys/fs/cgroup/$controller"
    case "$controller" in systemd) options="none,name=systemd" ;; *) options="$controller" ;; esac
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$controller"
  done ;;
2)
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A group that delegates controllers may hold no process itself.
  mkdir -p /sys/fs/cgroup/init
  echo $$ > /sys/fs/cgroup/init/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || true; done ;;
esac
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lenj /run/netns
echo 1 > /proc/sys/net/ipv4/ip_forward
# What the machine learned of the network before the node was powered on does not apply.
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter || true
: > "$4"
# The shell collects every orphan of the node while it waits for its own child.
while :; do
  sleep 2147483 &
  wait $! || true
done
