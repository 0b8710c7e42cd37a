// Images that the CRI contract works with, served on the node's loopback.
export const registryPort = 5000;
export const busyboxImage = `127.0.0.1:${registryPort}/test/busybox:1`;
export const pauseImage = `127.0.0.1:${registryPort}/test/pause:1`;

export interface ContractImages {
  readonly busyboxID: string;
  readonly busyboxDigest: string;
}
