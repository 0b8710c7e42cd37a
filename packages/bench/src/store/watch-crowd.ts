// Many watchers of one key on a few connections. They count what arrives instead of decoding it, so that they press as little as they
// can on the processor that they share with the servers.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { BenchCluster } from "./cluster.js";
import { framed, grpcHeaderBytes } from "./framing.js";

const windowBytes = 16 * 1024 * 1024;
const connectionCount = 10;
const arrivalMsMax = 60_000;
const createdField = 3;
const eventsField = 11;

export class WatchCrowd {
  readonly #sessions: ClientHttp2Session[] = [];
  #created = 0;
  #arrived = 0;
  #onArrival: () => void = () => {};
  #failure: Error | undefined;

  private constructor(readonly size: number) {}

  /** Connections go round the members. */
  static async gather(cluster: BenchCluster, key: Uint8Array, size: number): Promise<WatchCrowd> {
    const crowd = new WatchCrowd(size);
    for (let n = 0; n < connectionCount; n += 1) {
      const stream = crowd.#open(cluster, n);
      for (let watch = n; watch < size; watch += connectionCount) stream.write(createRequest(key));
    }
    await crowd.#until(() => crowd.#created >= size);
    return crowd;
  }

  /** Forgets what has arrived, and returns what waits until every watcher has had `writes` more events. */
  expect(writes: number): () => Promise<void> {
    this.#arrived = 0;
    return () => this.#until(() => this.#arrived >= writes * this.size);
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #open(cluster: BenchCluster, n: number): ClientHttp2Stream {
    const { endpoints, options } = cluster;
    const session = connect(endpoints[n % endpoints.length] as string, {
      settings: { initialWindowSize: windowBytes },
      ...(options.certificates && { ca: options.certificates.authority }),
    });
    this.#sessions.push(session);
    session.on("connect", () => session.setLocalWindowSize(windowBytes));
    session.on("error", (error: Error) => this.#fail(error));
    const stream = session.request({
      ...{ ":method": "POST", ":path": "/etcdserverpb.Watch/Watch", "content-type": "application/grpc", te: "trailers" },
    });
    stream.on("error", (error: Error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("a watch stream ended")));
    let rest: Buffer = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      rest = this.#countIn(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
      this.#onArrival();
    });
    return stream;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#onArrival();
  }

  /** Counts in whole messages; returns the piece of the last that has begun. */
  #countIn(bytes: Buffer): Buffer {
    let offset = 0;
    while (offset + grpcHeaderBytes <= bytes.length) {
      const end = offset + grpcHeaderBytes + bytes.readUInt32BE(offset + 1);
      if (end > bytes.length) break;
      this.#countFields(bytes, offset + grpcHeaderBytes, end);
      offset = end;
    }
    return bytes.subarray(offset);
  }

  #countFields(bytes: Buffer, start: number, end: number): void {
    for (let offset = start; offset < end; ) {
      const tag = bytes[offset++] as number;
      const number = readVarint(bytes, offset);
      offset = number.end;
      if (tag === ((eventsField << 3) | 2)) this.#arrived += 1;
      if (tag === createdField << 3 && number.value === 1) this.#created += 1;
      if ((tag & 7) === 2) offset += number.value;
    }
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + arrivalMsMax;
    while (!isSo()) {
      if (this.#failure !== undefined) throw this.#failure;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`${this.#created} watches made and ${this.#arrived} events arrived in ${arrivalMsMax} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#onArrival = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function createRequest(key: Uint8Array): Buffer {
  const value = etcdserverpb.WatchCreateRequest.fromPartial({ key: Buffer.from(key) });
  return framed(etcdserverpb.WatchRequest.encode({ requestUnion: { $case: "createRequest", value } }).finish());
}

/** All fields of a watch response have a varint next to a tag of one byte: a number or a length. */
function readVarint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let factor = 1;
  for (let offset = start; ; offset += 1) {
    const byte = bytes[offset] as number;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: offset + 1 };
    factor *= 128;
  }
}
