// Every flag of etcd 3.4 and of 3.5 to 3.6: honoured, or taken or refused with a reason.
import { storeFlags } from "../options.js";
import { judgeUnserved, unservedFlags } from "./etcd-flags.js";

/** As `etcd --help` of each lists them. */
const flagsOfEtcd = {
  "3.4": `name data-dir wal-dir snapshot-count heartbeat-interval election-timeout initial-election-tick-advance listen-peer-urls
    listen-client-urls max-snapshots max-wals quota-backend-bytes backend-batch-interval backend-batch-limit max-txn-ops max-request-bytes
    max-concurrent-streams grpc-keepalive-min-time grpc-keepalive-interval grpc-keepalive-timeout initial-advertise-peer-urls
    initial-cluster initial-cluster-state initial-cluster-token advertise-client-urls discovery discovery-fallback discovery-proxy
    discovery-srv discovery-srv-name strict-reconfig-check pre-vote auto-compaction-retention auto-compaction-mode enable-v2 cert-file
    key-file client-cert-auth client-crl-file client-cert-allowed-hostname trusted-ca-file auto-tls peer-cert-file peer-key-file
    peer-client-cert-auth peer-trusted-ca-file peer-cert-allowed-cn peer-cert-allowed-hostname peer-auto-tls peer-crl-file cipher-suites
    cors host-whitelist auth-token bcrypt-cost auth-token-ttl enable-pprof metrics listen-metrics-urls logger log-outputs log-level proxy
    proxy-failure-wait proxy-refresh-interval proxy-dial-timeout proxy-write-timeout proxy-read-timeout
    experimental-initial-corrupt-check experimental-corrupt-check-time experimental-enable-v2v3
    experimental-backend-bbolt-freelist-type experimental-enable-lease-checkpoint experimental-compaction-batch-limit
    experimental-peer-skip-client-san-verification experimental-watch-progress-notify-interval experimental-warning-apply-duration
    force-new-cluster debug log-package-levels config-file enable-grpc-gateway`,
  "3.5 and 3.6": `backend-bbolt-freelist-type listen-client-http-urls socket-reuse-port socket-reuse-address raft-read-timeout
    raft-write-timeout discovery-token discovery-endpoints discovery-dial-timeout discovery-request-timeout discovery-keepalive-time
    discovery-keepalive-timeout discovery-insecure-transport discovery-insecure-skip-tls-verify discovery-cert discovery-key
    discovery-cacert discovery-user discovery-password v2-deprecation client-cert-file client-key-file peer-client-cert-file
    peer-client-key-file self-signed-cert-validity tls-min-version tls-max-version enable-log-rotation log-rotation-config-json
    experimental-enable-distributed-tracing experimental-distributed-tracing-address experimental-distributed-tracing-service-name
    experimental-distributed-tracing-instance-id experimental-distributed-tracing-sampling-rate experimental-compact-hash-check-enabled
    experimental-compact-hash-check-time experimental-enable-lease-checkpoint-persist experimental-compaction-sleep-interval
    experimental-downgrade-check-time experimental-memory-mlock experimental-txn-mode-write-with-shared-buffer
    experimental-bootstrap-defrag-threshold-megabytes experimental-stop-grpc-service-on-defrag
    experimental-warning-unary-request-duration experimental-max-learners experimental-snapshot-catchup-entries
    experimental-wait-cluster-ready-timeout experimental-set-member-localaddr feature-gates bootstrap-defrag-threshold-megabytes
    compaction-batch-limit compaction-sleep-interval corrupt-check-time compact-hash-check-time downgrade-check-time memory-mlock
    max-learners peer-skip-client-san-verification snapshot-catchup-entries warning-apply-duration warning-unary-request-duration
    watch-progress-notify-interval enable-distributed-tracing distributed-tracing-address distributed-tracing-service-name
    distributed-tracing-instance-id distributed-tracing-sampling-rate unsafe-no-fsync`,
};

const names = Object.values(flagsOfEtcd).flatMap((list) => list.split(/\s+/));

describe("flags of etcd", () => {
  it.each(names)("--%s is honoured, or taken or refused with a reason", (name) => {
    const isHonoured = Object.hasOwn(storeFlags, name);
    const unserved = unservedFlags[name];
    expect(isHonoured).toBe(unserved === undefined);
    if (unserved !== undefined) expect(unserved.reason.length).toBeGreaterThan(10);
  });

  it.each(Object.entries(unservedFlags))("--%s: a value is named with the reason", (name, { flag, reason, taken }) => {
    const taking = flag.isSwitch ? "false" : (taken?.at(-1) ?? String(flag.default));
    expect(judgeUnserved([`--${name}=${taking}`])).toEqual({ problems: [], reasons: { [name]: reason } });
    if (taken === undefined) return;
    const other = flag.isSwitch
      ? "true"
      : flag.placeholder.includes("|")
        ? (flag.placeholder.split("|").find((choice) => !taken.includes(choice)) ?? "")
        : "other";
    expect(judgeUnserved([`--${name}=${other}`])).toEqual({
      problems: [`--${name}=${other} is not supported: ${reason}`],
      reasons: {},
    });
  });
});
