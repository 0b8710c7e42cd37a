// Which images to remove when the image file system fills up. Upstream: pkg/kubelet/images/image_gc_manager.go.
export interface ImageUse {
  readonly id: string;
  readonly sizeBytes: number;
  readonly pinned: boolean;
  readonly firstSeenMs: number;
  /** When a container last used it; 0: never since this kubelet runs. */
  readonly lastUsedMs: number;
  readonly inUse: boolean;
}

export interface ImageGCPolicy {
  /** Percent of the file system in use from which on images are removed, */
  readonly highThresholdPercent: number;
  /** and down to which. */
  readonly lowThresholdPercent: number;
  readonly minimumAgeMs: number;
}

export const defaultImageGCPolicy: ImageGCPolicy = { highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeMs: 120_000 };

/** Images to remove, the least recently used first. */
export function planImageGC(
  images: readonly ImageUse[],
  fs: { readonly capacityBytes: number; readonly availableBytes: number },
  policy: ImageGCPolicy,
  nowMs: number,
): ImageUse[] {
  if (fs.capacityBytes === 0) return [];
  const usedPercent = 100 - Math.floor((fs.availableBytes * 100) / fs.capacityBytes);
  if (usedPercent < policy.highThresholdPercent) return [];
  let toFree = (fs.capacityBytes * (100 - policy.lowThresholdPercent)) / 100 - fs.availableBytes;
  const removable = images
    .filter((image) => !image.inUse && !image.pinned && nowMs - image.firstSeenMs >= policy.minimumAgeMs)
    .sort((left, right) => left.lastUsedMs - right.lastUsedMs || left.firstSeenMs - right.firstSeenMs);
  const chosen: ImageUse[] = [];
  for (const image of removable) {
    if (toFree <= 0) break;
    chosen.push(image);
    toFree -= image.sizeBytes;
  }
  return chosen;
}
