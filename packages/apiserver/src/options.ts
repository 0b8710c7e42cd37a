// The api-server's flags, named and defaulted as kube-apiserver's.
import { boolFlag, durationFlag, type FlagSpecs, type FlagValues, intFlag, listFlag, stringFlag } from "@lenj/component-base";

export const apiserverFlags = {
  "advertise-address": stringFlag(
    "IP address on which to advertise the apiserver to members of the cluster; default: --bind-address, or the address of the default route",
  ),
  "allow-privileged": boolFlag("Allow privileged containers", true),
  "anonymous-auth": boolFlag("Enable anonymous requests to the secure port", true),
  "api-audiences": listFlag("Identifiers of the API; service account tokens must name one of them (default: the issuer)"),
  "authorization-always-allow-paths": listFlag("Paths that need no authorization", ["/healthz", "/readyz", "/livez"]),
  "authorization-mode": listFlag("Ordered list of authorizers: AlwaysAllow, AlwaysDeny, Node, RBAC", ["RBAC", "Node"]),
  "bind-address": stringFlag("IP address on which to listen", "0.0.0.0"),
  "cert-dir": stringFlag("Directory with apiserver.crt and apiserver.key, used when --tls-cert-file is not given"),
  "client-ca-file": stringFlag("Clients that present a certificate signed by one of these authorities are known by its common name"),
  "default-not-ready-toleration-seconds": intFlag("Default tolerationSeconds for notReady:NoExecute", 300),
  "default-unreachable-toleration-seconds": intFlag("Default tolerationSeconds for unreachable:NoExecute", 300),
  "disable-admission-plugins": listFlag("Admission plugins to switch off although they are on by default"),
  "enable-admission-plugins": listFlag("Admission plugins to switch on beside the default ones"),
  "etcd-cafile": stringFlag("Authority file for the store's certificate"),
  "etcd-certfile": stringFlag("Client certificate for the store"),
  "etcd-compaction-interval": durationFlag("Interval of compaction requests; 0 disables them", 300_000),
  "etcd-keyfile": stringFlag("Key of the client certificate for the store"),
  "etcd-prefix": stringFlag("Prefix of all keys in the store", "/registry"),
  "etcd-servers": listFlag("Endpoints of the store (scheme://ip:port)"),
  "event-ttl": durationFlag("How long events are kept", 3_600_000),
  "grpc-port": intFlag("Port of the gRPC API; 0 for none", 0),
  "kubelet-certificate-authority": stringFlag("Authority file for kubelets' certificates; they are not checked without it"),
  "kubelet-client-certificate": stringFlag("Client certificate for calls to kubelets"),
  "kubelet-client-key": stringFlag("Key of the client certificate for calls to kubelets"),
  "kubelet-preferred-address-types": listFlag("Kinds of node address to try, in order", [
    "Hostname",
    "InternalDNS",
    "InternalIP",
    "ExternalDNS",
    "ExternalIP",
  ]),
  "kubelet-timeout": durationFlag("Timeout of calls to kubelets", 5_000),
  "kubernetes-service-node-port": intFlag("If not 0, the kubernetes service is of type NodePort with this port", 0),
  "max-mutating-requests-inflight": intFlag("Mutating requests being worked on at the same time; 0 for no limit", 200),
  "max-requests-inflight": intFlag("Other requests being worked on at the same time; 0 for no limit", 400),
  "proxy-client-cert-file": stringFlag("Client certificate for calls to webhooks and aggregated servers"),
  "proxy-client-key-file": stringFlag("Key of the client certificate for calls to webhooks and aggregated servers"),
  "request-timeout": durationFlag("Deadline of requests that are not long-running", 60_000),
  "requestheader-allowed-names": listFlag("Common names of front proxies; empty: any that the authority signed"),
  "requestheader-client-ca-file": stringFlag("Authority of front proxies' certificates"),
  "requestheader-extra-headers-prefix": listFlag("Prefixes of headers with extra user information"),
  "requestheader-group-headers": listFlag("Headers with groups"),
  "requestheader-username-headers": listFlag("Headers with the user name"),
  "secure-port": intFlag("Port of the HTTPS API", 6443),
  "service-account-issuer": listFlag("Issuers of service account tokens; the first signs new ones"),
  "service-account-key-file": listFlag("Public (or private) keys to verify service account tokens with"),
  "service-account-signing-key-file": stringFlag("Private key that signs service account tokens"),
  "service-cluster-ip-range": stringFlag(
    "CIDR from which cluster IPs are given; one of each family at most, comma-separated",
    "10.0.0.0/24",
  ),
  "service-node-port-range": stringFlag("Ports for services of type NodePort", "30000-32767"),
  "shutdown-delay-duration": durationFlag("Time between failing readiness and refusing connections at the end", 0),
  "storage-media-type": stringFlag(
    "How built-in objects are stored: application/vnd.kubernetes.protobuf or application/json",
    "application/vnd.kubernetes.protobuf",
  ),
  "tls-cert-file": stringFlag("Serving certificate, followed by intermediates"),
  "tls-private-key-file": stringFlag("Key of --tls-cert-file"),
  "token-auth-file": stringFlag("CSV of token, user, uid and groups"),
  "watch-cache": boolFlag("Accepted and ignored: reads are always served through the watch cache", true),
} as const satisfies FlagSpecs;

export type APIServerOptions = FlagValues<typeof apiserverFlags>;

/** Everything wrong with the options, in the manner of kube-apiserver. */
export function validateOptions(options: APIServerOptions): string[] {
  const problems: string[] = [];
  if (options.etcdServers.length === 0) problems.push("--etcd-servers must be specified");
  if ((options.etcdCertfile !== "") !== (options.etcdKeyfile !== ""))
    problems.push("--etcd-certfile and --etcd-keyfile must be given together");
  if (options.tlsCertFile === "" && options.certDir === "")
    problems.push("--tls-cert-file and --tls-private-key-file, or --cert-dir, must be given");
  if ((options.tlsCertFile === "") !== (options.tlsPrivateKeyFile === ""))
    problems.push("--tls-cert-file and --tls-private-key-file must be given together");
  for (const [flag, port] of [
    ["secure-port", options.securePort],
    ["grpc-port", options.grpcPort],
  ] as const) {
    if (port < 0 || port > 65_535) problems.push(`--${flag} ${port} must be between 0 and 65535, inclusive`);
  }
  if (!/^\d+-\d+$/.test(options.serviceNodePortRange))
    problems.push(
      `invalid argument ${JSON.stringify(options.serviceNodePortRange)} for "--service-node-port-range" flag: must look like 30000-32767`,
    );
  if (options.serviceClusterIpRange.split(",").some((range) => !/^[0-9a-fA-F.:]+\/\d+$/.test(range.trim()))) {
    problems.push(`--service-cluster-ip-range: ${JSON.stringify(options.serviceClusterIpRange)} is not a list of CIDRs`);
  }
  const mediaTypes = ["application/json", "application/vnd.kubernetes.protobuf"];
  if (!mediaTypes.includes(options.storageMediaType)) problems.push(`--storage-media-type must be one of ${mediaTypes.join(", ")}`);
  if (options.maxRequestsInflight < 0 || options.maxMutatingRequestsInflight < 0)
    problems.push("--max-requests-inflight and --max-mutating-requests-inflight can not be negative value");
  for (const [flag, seconds] of [
    ["default-not-ready-toleration-seconds", options.defaultNotReadyTolerationSeconds],
    ["default-unreachable-toleration-seconds", options.defaultUnreachableTolerationSeconds],
  ] as const) {
    if (seconds < 0) problems.push(`--${flag} can not be negative value`);
  }
  if (!options.etcdPrefix.startsWith("/")) problems.push("--etcd-prefix must start with a slash");
  return problems;
}
