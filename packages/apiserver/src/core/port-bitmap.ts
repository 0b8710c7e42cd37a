// Which ports of a range are taken, as a bitmap. The stored form is that of kube-apiserver's RangeAllocation: the bytes of a big-endian number.

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** "30000-32767". Throws Error for anything else. */
export function parsePortRange(text: string): PortRange {
  const match = /^(\d+)-(\d+)$/.exec(text.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || first > last || last > 65_535) throw new Error(`invalid port range: ${text}`);
  return { first, last };
}

export class PortBitmap {
  readonly #taken: Set<number>;

  constructor(
    readonly range: PortRange,
    taken: Iterable<number> = [],
  ) {
    this.#taken = new Set(taken);
  }

  static decode(range: PortRange, bytes: Uint8Array): PortBitmap {
    const taken: number[] = [];
    for (let position = 0; position < bytes.length; position += 1) {
      const byte = bytes[bytes.length - 1 - position] as number;
      for (let bit = 0; bit < 8; bit += 1) if ((byte & (1 << bit)) !== 0) taken.push(range.first + position * 8 + bit);
    }
    return new PortBitmap(range, taken);
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil((this.range.last - this.range.first + 1) / 8));
    for (const port of this.#taken) {
      const offset = port - this.range.first;
      const position = bytes.length - 1 - Math.floor(offset / 8);
      bytes[position] = (bytes[position] as number) | (1 << (offset % 8));
    }
    const start = bytes.findIndex((byte) => byte !== 0);
    return start < 0 ? new Uint8Array() : bytes.slice(start);
  }

  has(port: number): boolean {
    return this.#taken.has(port);
  }

  contains(port: number): boolean {
    return port >= this.range.first && port <= this.range.last;
  }

  take(port: number): void {
    this.#taken.add(port);
  }

  release(port: number): void {
    this.#taken.delete(port);
  }

  get taken(): ReadonlySet<number> {
    return this.#taken;
  }

  /** A free port, searched upwards from a starting point drawn by `below`; undefined when all are taken. */
  findFree(below: (limit: number) => number): number | undefined {
    const count = this.range.last - this.range.first + 1;
    // The lower ports are left to services that ask for one by number. Source: KEP-3668.
    const band = count <= 16 ? 0 : Math.min(Math.max(Math.floor(count / 32), 16), 128);
    const start = band + below(count - band);
    for (let step = 0; step < count; step += 1) {
      const offset = start + step < count ? start + step : (start + step) % count;
      if (offset < band && step < count - band) continue;
      if (!this.#taken.has(this.range.first + offset)) return this.range.first + offset;
    }
    for (let port = this.range.first; port <= this.range.last; port += 1) if (!this.#taken.has(port)) return port;
    return undefined;
  }
}
