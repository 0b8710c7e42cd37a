/** Min-heap of due times. An item may be outdated when it comes up; whoever takes it checks. */
export class ExpiryQueue {
  readonly #heap: { readonly id: bigint; readonly dueMs: number }[] = [];

  push(item: { readonly id: bigint; readonly dueMs: number }): void {
    const heap = this.#heap;
    heap.push(item);
    let position = heap.length - 1;
    while (position > 0) {
      const parent = (position - 1) >>> 1;
      if (this.#dueAt(parent) <= item.dueMs) break;
      heap[position] = heap[parent] as { id: bigint; dueMs: number };
      position = parent;
    }
    heap[position] = item;
  }

  /** The item due first, when it is due at `nowMs`. */
  popDue(nowMs: number): { readonly id: bigint; readonly dueMs: number } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = heap.pop() as { id: bigint; dueMs: number };
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #sink(item: { readonly id: bigint; readonly dueMs: number }): void {
    const heap = this.#heap;
    let position = 0;
    for (;;) {
      let child = position * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#dueAt(child + 1) < this.#dueAt(child)) child += 1;
      if (this.#dueAt(child) >= item.dueMs) break;
      heap[position] = heap[child] as { id: bigint; dueMs: number };
      position = child;
    }
    heap[position] = item;
  }

  #dueAt(position: number): number {
    return (this.#heap[position] as { dueMs: number }).dueMs;
  }
}
