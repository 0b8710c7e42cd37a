/** What a kubeconfig with one cluster and one client certificate says. PEM texts. */
export interface KubeconfigParts {
  readonly cluster: string;
  readonly user: string;
  readonly server: string;
  /** host:port of lenj.api.v1; clients of ours then use gRPC. */
  readonly grpcServer?: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The kubeconfig as YAML (in its JSON subset, which every reader of YAML takes). */
export function formatKubeconfig(parts: KubeconfigParts): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const extensions =
    parts.grpcServer === undefined ? {} : { extensions: [{ name: "lenj.dev/grpc", extension: { server: parts.grpcServer } }] };
  const document = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: parts.cluster, cluster: { server: parts.server, "certificate-authority-data": base64(parts.ca), ...extensions } }],
    users: [{ name: parts.user, user: { "client-certificate-data": base64(parts.cert), "client-key-data": base64(parts.key) } }],
    contexts: [{ name: parts.cluster, context: { cluster: parts.cluster, user: parts.user } }],
    "current-context": parts.cluster,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
