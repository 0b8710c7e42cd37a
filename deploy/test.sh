#!/bin/sh
# Tests docker-compose.yml with Debian's docker engine, without any registry: builds the image from this machine's own programs, brings
# the cluster up, deploys to it with kubectl, reads through a Service from a pod, and takes everything down.
#
# The engine is one of the test's own: its socket and data are in a temporary folder, and it runs in network, mount and pid namespaces
# that end with the test, so its bridge and firewall rules never touch the machine's. Needs root and the packages docker.io and
# docker-compose (unpacked is enough; no service). Prints "docker-compose lab: passed" at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

if [ "${1:-}" != inside ]; then
  for program in dockerd docker-compose kubectl nft ip unshare; do
    command -v "$program" > /dev/null || { echo "test.sh: the program $program is missing" >&2; exit 1; }
  done
  work=$(mktemp -d /tmp/lenj-compose-XXXXXX)
  group=lenj-$(basename "$work" | tr 'A-Z' 'a-z')
  child=
  clean() {
    trap '' INT TERM
    [ -z "$child" ] || { kill -KILL "$child" 2> /dev/null || true; wait "$child" 2> /dev/null || true; }
    # The kernel empties the groups moments after their last process is gone.
    for _ in $(seq 100); do
      find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2> /dev/null || true
      [ -n "$(find /sys/fs/cgroup -type d -name "$group" 2> /dev/null | head -n 1)" ] || break
      sleep 0.1
    done
    rm -rf "$work"
  }
  trap clean EXIT
  trap 'exit 130' INT TERM
  unshare --net --mount --pid --fork --kill-child=SIGKILL --mount-proc --propagation private "$0" inside "$work" "$group" &
  child=$!
  wait "$child" && status=0 || status=$?
  child=
  exit "$status"
fi

work=$2
group=$3
say() { printf '[%5d s] %s\n' "$(($(date +%s) - started))" "$1"; }
started=$(date +%s)
mount -t tmpfs -o mode=755 tmpfs /run
# What the machine mounted by default here belongs to an engine of the machine's own.
ip link set lo up

socket=$work/docker.sock
export DOCKER_HOST=unix://$socket COMPOSE_PROJECT_NAME=lenj DOCKER_CONFIG=$work/config DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
dockerd --host="$DOCKER_HOST" --data-root="$work/data" --exec-root="$work/exec" --pidfile="$work/docker.pid" --cgroup-parent="/$group" \
  --storage-driver=overlay2 --log-level=warn > "$work/dockerd.log" 2>&1 &
engine=$!
docker=/usr/bin/docker
until "$docker" version > /dev/null 2>&1; do
  kill -0 "$engine" 2> /dev/null || { cat "$work/dockerd.log" >&2; exit 1; }
  sleep 0.1
done
say "engine $("$docker" version --format '{{.Server.Version}}') answers"

compose() { docker-compose --file "$here/docker-compose.yml" --project-directory "$here" "$@"; }
failed() {
  echo "--- what the containers said last" >&2
  compose ps >&2 || true
  compose logs --no-color --tail=15 >&2 || true
  exit 1
}

"$here/machine-rootfs.sh" | "$docker" import - lenj-machine:local > /dev/null
mkdir "$work/stage"
"$here/stage.sh" "$work/stage"
"$docker" build --quiet --network=none --build-arg BASE=lenj-machine:local --tag lenj:local --file "$here/Dockerfile" "$work/stage" > /dev/null
rm -rf "$work/stage"
say "image built: $("$docker" image inspect lenj:local --format '{{.Size}}' | awk '{ printf "%d MB", $1 / 1e6 }')"

export LENJ_HOST_DIR="$work/host" LENJ_PORT=16443 LENJ_GRPC_PORT=16444
mkdir "$LENJ_HOST_DIR"
compose up --detach --no-build > "$work/compose.log" 2>&1 || { cat "$work/compose.log" >&2; failed; }
say "containers started"
privileged=$("$docker" ps --quiet | xargs "$docker" inspect --format '{{.HostConfig.Privileged}}' | sort -u)
[ "$privileged" = false ] || { echo "a container is privileged" >&2; failed; }

# kubectl dispatchers choose another binary by the server's version; any kubectl will do here.
export KUBECONFIG="$LENJ_HOST_DIR/kubeconfig" HOME="$work"
[ "$(stat --format=%a "$KUBECONFIG")" = 600 ] || { echo "the kubeconfig can be read by others" >&2; failed; }

# eventually WHAT COMMAND...: asks again and again until the command succeeds; 60 tries.
eventually() {
  what=$1
  shift
  for _ in $(seq 240); do
    if "$@" > "$work/out" 2>&1; then return; fi
    sleep 0.25
  done
  echo "gave up waiting for $what:" >&2
  cat "$work/out" >&2
  failed
}
both_ready() { [ "$(kubectl get nodes --no-headers | grep -cw Ready)" = 2 ]; }
eventually "two Ready nodes" both_ready
say "nodes Ready"

kubectl apply -f "$here/../examples/deployment.yaml" -f "$here/../examples/service.yaml" || failed
kubectl wait --for=condition=Available deployment/web --timeout=90s || failed
say "deployment Available"
kubectl get pods -o wide
[ "$(kubectl get pods -l app=web -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort -u | wc -l)" = 2 ] || { echo "pods are not on both nodes" >&2; failed; }

pod=$(kubectl get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
address=$(kubectl get service web -o 'jsonpath={.spec.clusterIP}')
from_pod() { kubectl exec "$pod" -- wget -qO- -T 5 "http://$1/"; }
touch "$work/answers"
all_answer() {
  from_pod "$address" >> "$work/answers" && [ "$(sed -n 's/^Hello from \([^ ]*\).*/\1/p' "$work/answers" | sort -u | wc -l)" = 3 ]
}
eventually "an answer of every pod through the cluster IP" all_answer
say "every pod answers through the cluster IP $address"
eventually "an answer through the Service's name" from_pod web.default.svc.cluster.local
say "and through its name: $(cat "$work/out")"

# Pulling a node's plug: the container is killed and started again; its kubelet comes back with the pods it had.
"$docker" kill lenj_node-2_1 > /dev/null
"$docker" start lenj_node-2_1 > /dev/null
eventually "two Ready nodes after node-2 was killed" both_ready
kubectl wait --for=condition=Available deployment/web --timeout=90s || failed
eventually "an answer after node-2 was killed" from_pod "$address"
say "node-2 killed and back"

kubectl delete -f "$here/../examples/deployment.yaml" -f "$here/../examples/service.yaml" --timeout=60s || failed
compose down --volumes --timeout 10 > "$work/compose.log" 2>&1 || { cat "$work/compose.log" >&2; failed; }
[ -z "$("$docker" ps --all --quiet)$("$docker" volume ls --quiet)" ] || { echo "containers or volumes are left" >&2; exit 1; }
kill "$engine"
wait "$engine" || true
say "down, nothing left"
echo "docker-compose lab: passed"
