import type { Clock, Random } from "@lenj/base";

export interface RequestUser {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What a resource's hooks may know of the request they serve. */
export interface RequestContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly user: RequestUser;
  /** From the URL; "" for cluster-scoped resources. */
  readonly namespace: string;
  /** From the URL; "" when creating. */
  readonly name: string;
  readonly dryRun: boolean;
}

/** RFC 3339 in whole seconds, the form of every metav1.Time. */
export function formatTime(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with microseconds, the form of every metav1.MicroTime. */
export function formatMicroTime(wallMs: number): string {
  return `${new Date(Math.floor(wallMs)).toISOString().slice(0, 23)}000Z`;
}
