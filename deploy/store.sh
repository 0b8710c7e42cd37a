#!/bin/sh
# A store replica in a container: name and address are those of the container, the members are the three of docker-compose.yml.
set -eu
name=$(hostname)
address=$(hostname -i)
pki=/credentials/pki/etcd
exec node packages/store/dist/main.js \
  --name="$name" \
  --data-dir=/data \
  --listen-client-urls="https://$address:2379" \
  --advertise-client-urls="https://$address:2379" \
  --listen-peer-urls="https://$address:2380" \
  --initial-advertise-peer-urls="https://$address:2380" \
  --initial-cluster=store-1=https://10.200.0.11:2380,store-2=https://10.200.0.12:2380,store-3=https://10.200.0.13:2380 \
  --initial-cluster-token=lenj-compose \
  --initial-cluster-state=new \
  --listen-metrics-urls="http://$address:2381" \
  --cert-file="$pki/$name.crt" --key-file="$pki/$name.key" --trusted-ca-file="$pki/ca.crt" --client-cert-auth \
  --peer-cert-file="$pki/$name.crt" --peer-key-file="$pki/$name.key" --peer-trusted-ca-file="$pki/ca.crt" --peer-client-cert-auth
