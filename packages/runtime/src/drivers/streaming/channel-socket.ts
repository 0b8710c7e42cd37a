// Channels over one WebSocket: numbered byte streams with back pressure.
import type { WebSocket } from "ws";
import { closeChannel, type StreamProtocol } from "../../core/stream-protocols.js";

/** A slow client pauses the source at this many unsent bytes. */
const unsentBytesMax = 1024 * 1024;

export class ChannelSocket {
  constructor(
    readonly socket: WebSocket,
    readonly protocol: StreamProtocol,
  ) {}

  send(channel: number, bytes: Buffer): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    if (this.protocol.base64) this.socket.send(`${channel}${bytes.toString("base64")}`);
    else this.socket.send(Buffer.concat([Buffer.of(channel), bytes]));
  }

  /** Sends all of `source` on `channel`; resolves at its end or the socket's. */
  pipeFrom(channel: number, source: NodeJS.ReadableStream): Promise<void> {
    return new Promise((resolve) => {
      source.on("data", (chunk: Buffer) => {
        this.send(channel, chunk);
        if (this.socket.bufferedAmount > unsentBytesMax) this.#pause(source);
      });
      source.once("end", resolve);
      source.once("close", resolve);
      source.once("error", resolve);
      this.socket.once("close", () => resolve());
    });
  }

  #pause(source: NodeJS.ReadableStream): void {
    source.pause();
    const check = setInterval(() => {
      const isOpen = this.socket.readyState === this.socket.OPEN;
      if (isOpen && this.socket.bufferedAmount > unsentBytesMax / 2) return;
      clearInterval(check);
      source.resume();
    }, 5);
  }

  /** Calls back for every message; `onClose` when the client half-closed a channel (v5). */
  listen(onMessage: (channel: number, bytes: Buffer) => void, onClose: (channel: number) => void): void {
    this.socket.on("message", (data: Buffer, isBinary: boolean) => {
      const message = Buffer.isBuffer(data) ? data : Buffer.from(data as ArrayBuffer);
      if (message.length === 0) return;
      const isText = this.protocol.base64 && !isBinary;
      const channel = isText ? (message[0] as number) - 0x30 : (message[0] as number);
      const bytes = isText ? Buffer.from(message.subarray(1).toString("latin1"), "base64") : message.subarray(1);
      if (channel === closeChannel && this.protocol.halfClose) onClose(bytes[0] ?? 0);
      else onMessage(channel, bytes);
    });
  }

  close(): void {
    this.socket.close(1000);
  }
}
