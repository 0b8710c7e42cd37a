// SPDY/3.1 as the Kubernetes streaming protocols use it: streams inside one upgraded connection, either side opening them.
//
// Owns:  the connection and its streams.
// Y1. Frames are handled strictly in order; the only suspension is the header codec and a full stream buffer.
// Y2. Flow-control windows are neither kept nor enforced: the peers of this protocol (moby/spdystream) do not either.
//     A stream whose reader is slow holds up the connection once its buffer is full, which bounds memory.
// Source: SPDY protocol draft 3.1 §2; facts of the streams in k8s.io/apimachinery httpstream.
import { Duplex } from "node:stream";
import { HeaderCodec, type Headers } from "./header-block.js";

const type = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 } as const;
const fin = 1;
const maxChunkBytes = 32 * 1024;
const streamBufferBytes = 1024 * 1024;
/** Larger frames are an attack or a mistake. */
const maxFrameBytes = 16 * 1024 * 1024;

export class SPDYStream extends Duplex {
  #onRead: (() => void) | undefined;

  constructor(
    readonly session: SPDYSession,
    readonly id: number,
    readonly headers: Headers,
  ) {
    super({ readableHighWaterMark: streamBufferBytes, allowHalfOpen: true });
  }

  /** Undefined when there is room for more, else resolves when there is. */
  deliver(bytes: Buffer | null): Promise<void> | undefined {
    if (this.destroyed || this.readableEnded || this.push(bytes) || bytes === null) return undefined;
    return new Promise((resolve) => {
      this.#onRead = resolve;
    });
  }

  override _read(): void {
    this.#onRead?.();
    this.#onRead = undefined;
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.session.sendData(this.id, chunk, false).then(() => callback(), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.session.sendData(this.id, Buffer.alloc(0), true).then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#onRead?.();
    this.session.forget(this, error !== null || !this.readableEnded || !this.writableFinished);
    callback(error);
  }
}

export class SPDYSession {
  readonly #codec = new HeaderCodec();
  readonly #streams = new Map<number, SPDYStream>();
  readonly closed: Promise<void>;
  #nextID: number;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    readonly connection: Duplex,
    options: { readonly role: "client" | "server"; readonly head?: Buffer; readonly onStream?: (stream: SPDYStream) => void },
  ) {
    this.#nextID = options.role === "client" ? 1 : 2;
    if (options.head !== undefined && options.head.length > 0) connection.unshift(options.head);
    connection.on("error", () => connection.destroy());
    this.closed = this.#read(options.onStream)
      .catch(() => undefined)
      .finally(() => this.close());
  }

  async open(headers: Headers): Promise<SPDYStream> {
    const id = this.#nextID;
    this.#nextID += 2;
    const stream = new SPDYStream(this, id, headers);
    this.#streams.set(id, stream);
    await this.#inOrder(async () => {
      const block = await this.#codec.encode(headers);
      const body = Buffer.alloc(10);
      body.writeUInt32BE(id, 0);
      await this.#control(type.synStream, 0, Buffer.concat([body, block]));
    });
    return stream;
  }

  sendData(id: number, bytes: Buffer, last: boolean): Promise<void> {
    return this.#inOrder(async () => {
      for (let at = 0; at < bytes.length || (last && at === 0); at += maxChunkBytes) {
        const chunk = bytes.subarray(at, at + maxChunkBytes);
        const isLast = last && at + maxChunkBytes >= bytes.length;
        const header = Buffer.alloc(8);
        header.writeUInt32BE(id, 0);
        header.writeUInt32BE((isLast ? fin << 24 : 0) + chunk.length, 4);
        await this.#write(Buffer.concat([header, chunk]));
      }
    });
  }

  /** Called by streams as they are destroyed; `reset` tells the peer. */
  forget(stream: SPDYStream, reset: boolean): void {
    if (!this.#streams.delete(stream.id) || !reset || this.connection.destroyed) return;
    const body = Buffer.alloc(8);
    body.writeUInt32BE(stream.id, 0);
    body.writeUInt32BE(5, 4); // CANCEL
    this.#inOrder(() => this.#control(type.rstStream, 0, body)).catch(() => undefined);
  }

  /** Ends the connection once everything sent so far is out. */
  async finish(): Promise<void> {
    await this.#sending.catch(() => undefined);
    this.connection.end();
  }

  close(): void {
    for (const stream of [...this.#streams.values()]) {
      this.#streams.delete(stream.id);
      // Ending takes no room: there is nothing to wait for.
      void stream.deliver(null);
      stream.destroy();
    }
    this.connection.destroy();
    this.#codec.close();
  }

  async #read(onStream: ((stream: SPDYStream) => void) | undefined): Promise<void> {
    let buffer: Buffer = Buffer.alloc(0);
    for await (const chunk of this.connection) {
      buffer = buffer.length === 0 ? (chunk as Buffer) : Buffer.concat([buffer, chunk as Buffer]);
      while (buffer.length >= 8) {
        const length = buffer.readUIntBE(5, 3);
        if (length > maxFrameBytes) throw new Error(`SPDY frame of ${length} bytes is too large`);
        if (buffer.length < 8 + length) break;
        await this.#onFrame(buffer.subarray(0, 8), buffer.subarray(8, 8 + length), onStream);
        buffer = buffer.subarray(8 + length);
      }
    }
  }

  async #onFrame(header: Buffer, body: Buffer, onStream: ((stream: SPDYStream) => void) | undefined): Promise<void> {
    const isControl = (header.readUInt8(0) & 0x80) !== 0;
    const flags = header.readUInt8(4);
    if (!isControl) {
      const stream = this.#streams.get(header.readUInt32BE(0) & 0x7fffffff);
      if (stream === undefined) return;
      // The frame's bytes live in the read buffer, which is not reused: no copy is needed.
      if (body.length > 0) await stream.deliver(body);
      if ((flags & fin) !== 0) await stream.deliver(null);
      return;
    }
    switch (header.readUInt16BE(2)) {
      case type.synStream: {
        const id = body.readUInt32BE(0) & 0x7fffffff;
        const stream = new SPDYStream(this, id, await this.#codec.decode(body.subarray(10)));
        this.#streams.set(id, stream);
        stream.on("error", () => undefined);
        await this.#inOrder(async () => {
          const reply = Buffer.alloc(4);
          reply.writeUInt32BE(id, 0);
          await this.#control(type.synReply, 0, Buffer.concat([reply, await this.#codec.encode({})]));
        });
        if ((flags & fin) !== 0) await stream.deliver(null);
        onStream?.(stream);
        return;
      }
      case type.synReply:
        // Keeps the decompressor in step; the headers say nothing.
        await this.#codec.decode(body.subarray(4));
        return;
      case type.rstStream: {
        const stream = this.#streams.get(body.readUInt32BE(0) & 0x7fffffff);
        if (stream === undefined) return;
        this.#streams.delete(stream.id);
        // Ending takes no room: there is nothing to wait for.
        void stream.deliver(null);
        stream.destroy();
        return;
      }
      case type.ping:
        await this.#inOrder(() => this.#control(type.ping, 0, body));
        return;
      default:
        return;
    }
  }

  #control(kind: number, flags: number, body: Buffer): Promise<void> {
    const header = Buffer.alloc(8);
    header.writeUInt16BE(0x8003, 0);
    header.writeUInt16BE(kind, 2);
    header.writeUInt32BE((flags << 24) + body.length, 4);
    return this.#write(Buffer.concat([header, body]));
  }

  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.connection.destroyed) reject(new Error("SPDY connection is closed"));
      else this.connection.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  #inOrder(task: () => Promise<void>): Promise<void> {
    const result = this.#sending.then(task, task);
    this.#sending = result.catch(() => undefined);
    return result;
  }
}
