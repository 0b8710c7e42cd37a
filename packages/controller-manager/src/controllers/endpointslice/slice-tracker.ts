// Remembers what this process last wrote to each slice, to tell its own echoes from others' writes and stale caches.
// Source: staging/endpointslice/util/endpointslice_tracker.go.
import type { discoveryv1 } from "@lenj/proto/k8s";

/** A cache that stays behind this many looks missed an event for good (a relist skipped it): then the cache is believed. */
const STALE_LOOKS_MAX = 30;
const DELETED = Number.POSITIVE_INFINITY;

export class SliceTracker {
  /** By Service name, then slice uid: the generation written last. */
  readonly #generations = new Map<string, Map<string, number>>();
  readonly #staleLooks = new Map<string, number>();

  onWritten(service: string, slice: discoveryv1.EndpointSlice): void {
    this.#of(service).set(uidOf(slice), slice.metadata?.generation ?? 0);
  }

  expectDeletion(service: string, slice: discoveryv1.EndpointSlice): void {
    this.#of(service).set(uidOf(slice), DELETED);
  }

  /** True when the deletion was ours. */
  onDeleted(service: string, slice: discoveryv1.EndpointSlice): boolean {
    const known = this.#of(service);
    const isOwn = known.get(uidOf(slice)) === DELETED;
    known.delete(uidOf(slice));
    return isOwn;
  }

  isOwnWrite(service: string, slice: discoveryv1.EndpointSlice): boolean {
    const written = this.#generations.get(service)?.get(uidOf(slice));
    return written !== undefined && written >= (slice.metadata?.generation ?? 0);
  }

  /** True while the cache does not show all that was written. */
  isStale(service: string, cached: readonly discoveryv1.EndpointSlice[]): boolean {
    const known = this.#generations.get(service);
    if (known === undefined) return false;
    const byUID = new Map(cached.map((slice) => [uidOf(slice), slice.metadata?.generation ?? 0]));
    const isBehind = [...known].some(([uid, generation]) => {
      const seen = byUID.get(uid);
      return generation === DELETED ? seen !== undefined : seen === undefined || seen < generation;
    });
    const looks = isBehind ? (this.#staleLooks.get(service) ?? 0) + 1 : 0;
    if (looks <= STALE_LOOKS_MAX) this.#staleLooks.set(service, looks);
    else this.forget(service);
    return isBehind && looks <= STALE_LOOKS_MAX;
  }

  forget(service: string): void {
    this.#generations.delete(service);
    this.#staleLooks.delete(service);
  }

  #of(service: string): Map<string, number> {
    const known = this.#generations.get(service) ?? new Map<string, number>();
    this.#generations.set(service, known);
    return known;
  }
}

function uidOf(slice: discoveryv1.EndpointSlice): string {
  return slice.metadata?.uid ?? "";
}
