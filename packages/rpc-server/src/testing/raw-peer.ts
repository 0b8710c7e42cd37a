// A client of HTTP/2 that sends whatever it is told, right or wrong, to a driver in the same process, and shows every frame it gets.
import { Duplex } from "node:stream";
import type { Clock } from "@lenj/base";
import { silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { flag, frameType, preface, uint16, uint24, uint31, uint32 } from "../drivers/lean/frames.js";
import { HpackDecoder } from "../drivers/lean/hpack/decoder.js";
import { encodeFields } from "../drivers/lean/hpack/encoder.js";
import { createLeanDriver } from "../drivers/lean/lean-driver.js";
import type { RpcDriver, RpcDriverOptions } from "../port.js";
import { pathOf, TextError, type TextHandlers, textService } from "./text-service.js";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** The server's end of a connection. While `isStalled`, nothing of what is written is taken. */
class MemorySocket extends Duplex {
  readonly written: Buffer[] = [];
  #isStalled = false;
  #waiting: (() => void)[] = [];

  get isStalled(): boolean {
    return this.#isStalled;
  }

  set isStalled(value: boolean) {
    this.#isStalled = value;
    if (!value) for (const done of this.#waiting.splice(0)) done();
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.written.push(bytes);
    if (this.#isStalled) this.#waiting.push(done);
    else done();
  }
}

export type RawPeerOptions = Partial<RpcDriverOptions>;

export class RawPeer {
  readonly clock = new ManualClock();
  readonly socket = new MemorySocket();
  readonly driver: RpcDriver;
  readonly #decoder = new HpackDecoder(4_096);
  #unread: Buffer = Buffer.alloc(0);
  /** Of a header block that has not ended. */
  #block: Buffer = Buffer.alloc(0);

  constructor(handlers: TextHandlers, options: RawPeerOptions = {}) {
    const clock: Clock = this.clock;
    this.driver = createLeanDriver({
      receiveBytesMax: 1_024 * 1_024,
      toStatus: (error) =>
        error instanceof TextError ? { code: error.code, details: error.message } : { code: 2, details: String(error) },
      logger: silentLogger,
      clock,
      ...options,
    });
    this.driver.addService(textService, handlers as Readonly<Record<string, (first: never, second: never) => unknown>>);
    this.driver.accept(this.socket, { address: "memory:1", commonName: undefined });
  }

  /** Connected, settings exchanged, and the server's first frames read. */
  static open(handlers: TextHandlers = {}, options: RawPeerOptions = {}): RawPeer {
    const peer = new RawPeer(handlers, options);
    peer.send(preface, frame(frameType.settings, 0, 0));
    peer.frames();
    return peer;
  }

  /** All in one piece. */
  send(...bytes: readonly Buffer[]): this {
    this.socket.emit("data", Buffer.concat(bytes));
    return this;
  }

  /** What has come since the last look. */
  frames(): Frame[] {
    this.#unread = Buffer.concat([this.#unread, ...this.socket.written.splice(0)]);
    const frames: Frame[] = [];
    while (this.#unread.length >= 9) {
      const length = uint24(this.#unread, 0);
      if (this.#unread.length < 9 + length) break;
      const [type, flags] = [this.#unread[3] ?? 0, this.#unread[4] ?? 0];
      frames.push({ type, flags, id: uint31(this.#unread, 5), payload: this.#unread.subarray(9, 9 + length) });
      this.#unread = this.#unread.subarray(9 + length);
    }
    return frames;
  }

  /** The same as short texts: `1 headers :status=200 … end`, `1 data 5+"text"`, `goaway 11 too_many_pings`. */
  seen(): string[] {
    return this.frames().map((found) => this.#describe(found));
  }

  /** After everything that was resolved has run. */
  async seenLater(): Promise<string[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.seen();
  }

  #describe({ type, flags, id, payload }: Frame): string {
    const end = (flags & flag.endStream) !== 0 ? " end" : "";
    switch (type) {
      case frameType.headers:
      case frameType.continuation: {
        this.#block = Buffer.concat([this.#block, payload]);
        if ((flags & flag.endHeaders) === 0) return `${id} headers …`;
        const fields: string[] = [];
        this.#decoder.decode(this.#block, 0, this.#block.length, (name, value) => fields.push(`${name}=${value}`));
        this.#block = Buffer.alloc(0);
        return `${id} headers ${fields.filter((field) => field !== "content-type=application/grpc").join(" ")}${end}`;
      }
      case frameType.data:
        return `${id} data ${describeMessages(payload)}${end}`;
      case frameType.rstStream:
        return `${id} reset ${uint32(payload, 0)}`;
      case frameType.settings:
        return (flags & flag.ack) !== 0 ? "settings ack" : `settings ${describeSettings(payload)}`;
      case frameType.ping:
        return `ping${(flags & flag.ack) !== 0 ? " ack" : ""} ${payload.toString("latin1")}`;
      case frameType.goAway:
        return `goaway ${uint31(payload, 0)} ${uint32(payload, 4)} ${payload.toString("latin1", 8)}`.trim();
      case frameType.windowUpdate:
        return `${id} window ${uint31(payload, 0)}`;
      default:
        return `${id} type ${type}`;
    }
  }
}

function describeSettings(payload: Buffer): string {
  const settings: string[] = [];
  for (let at = 0; at < payload.length; at += 6) settings.push(`${uint16(payload, at)}=${uint32(payload, at + 2)}`);
  return settings.join(" ");
}

function describeMessages(payload: Buffer): string {
  return payload.length <= 64 ? JSON.stringify(payload.toString("latin1")) : `${payload.length} bytes`;
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, payload]);
}

export const uint32Bytes = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [position, value] of values.entries()) bytes.writeUInt32BE(value, position * 4);
  return bytes;
};

/** SETTINGS with the given values. */
export function settings(...values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(values.length * 6);
  for (const [position, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, position * 6);
    payload.writeUInt32BE(value, position * 6 + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

type Fields = readonly (readonly [name: string, value: string])[];

export const requestFields = (method: string, extra: Fields = []): Fields => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", pathOf(method)],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
  ...extra,
];

export const headers = (id: number, fields: Fields, flags: number = flag.endHeaders): Buffer =>
  frame(frameType.headers, flags, id, encodeFields(fields));

/** A message with its prefix. */
export function message(text: string | Buffer, format = 0): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([format]), uint32Bytes(body.length), body]);
}

export const data = (id: number, payload: Uint8Array, flags: number = flag.none): Buffer => frame(frameType.data, flags, id, payload);

/** A whole request. */
export const request = (id: number, method: string, text: string, extra: Fields = []): Buffer =>
  Buffer.concat([headers(id, requestFields(method, extra)), data(id, message(text), flag.endStream)]);
