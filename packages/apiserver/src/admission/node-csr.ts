// A node asks for certificates in its own name only. Source: noderestriction admitCSR (1.31 and later).
import type { certificatesv1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionOperation } from "./ports.js";

const nodeSigners: ReadonlySet<string> = new Set(["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"]);

export async function checkNodeCSR(
  operation: AdmissionOperation,
  object: KubeObject | undefined,
  node: string,
  refuse: (why: string) => never,
): Promise<void> {
  const { spec } = (object ?? {}) as KubeObject & certificatesv1.CertificateSigningRequest;
  if (operation !== "CREATE" || !nodeSigners.has(spec?.signerName ?? "")) return;
  let commonName = "";
  try {
    // Loaded when the first node asks: most servers never need it.
    const { readSigningRequest } = await import("@lenj/component-base/pki");
    ({ commonName } = await readSigningRequest(Buffer.from(spec?.request ?? "", "base64").toString("utf8")));
  } catch (error) {
    refuse(`unable to parse csr: ${(error as Error).message}`);
  }
  if (commonName !== `system:node:${node}`) refuse(`can only create a node CSR with CN=system:node:${node}`);
}
