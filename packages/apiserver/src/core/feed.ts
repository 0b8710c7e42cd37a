/** How the handlers see the driver that keeps the caches up to date. */
export interface CacheFreshness {
  /** Every cache has everything up to this revision. */
  readonly revision: number;
  /** Resolves with true once the caches have `revision`, with false when that took too long. */
  waitFor(revision: number, options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<boolean>;
}
