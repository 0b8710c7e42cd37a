/** What the kubelet's decisions cannot do with what they were given. */
export type KubeletCoreErrorCode =
  /** The pod's configuration refers to something that does not exist or cannot be used: CreateContainerConfigError. */
  | "CONFIG"
  /** An image name that no registry could serve: InvalidImageName. */
  | "INVALID_IMAGE_NAME";

export class KubeletCoreError extends Error {
  override readonly name = "KubeletCoreError";
  constructor(
    readonly code: KubeletCoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function isKubeletCoreError(error: unknown, code?: KubeletCoreErrorCode): error is KubeletCoreError {
  return error instanceof KubeletCoreError && (code === undefined || error.code === code);
}
