// One side of an exec or attach session, as channels: whichever protocol carries them. Connecting two sides makes the bridge.
//
// Channels: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize; closing stdin alone is a frame of channel 255.
// Source: k8s.io/apimachinery remotecommand constants, KEP-4006.
import { once } from "node:events";
import type { WebSocket } from "ws";
import type { SPDYSession, SPDYStream } from "../spdy/session.js";

export const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

export interface Frame {
  readonly channel: number;
  readonly bytes: Buffer;
}

export interface ChannelEnd {
  /** What the other side sends, until it is done or gone. */
  frames(): AsyncIterable<Frame>;
  /** Resolves when there is room for the next one. */
  send(frame: Frame): Promise<void>;
  /** Says goodbye once everything sent is out. */
  close(): void;
}

/** Carries frames between client and runtime until the runtime is done or either is gone. */
export async function bridge(client: ChannelEnd, runtime: ChannelEnd): Promise<void> {
  const up = (async () => {
    for await (const frame of client.frames()) await runtime.send(frame);
  })();
  const down = (async () => {
    for await (const frame of runtime.frames()) await client.send(frame);
  })();
  // The client leaving ends the session; the client merely having nothing more to say arrives as a close frame.
  await Promise.race([Promise.allSettled([down]), Promise.allSettled([up])]);
  client.close();
  runtime.close();
  await Promise.allSettled([up, down]);
}

/** `isV5`: stdin may be closed on its own. */
export function webSocketEnd(socket: WebSocket, isV5: boolean): ChannelEnd {
  return {
    async *frames() {
      for await (const bytes of messagesOf(socket)) {
        if (bytes.length > 0) yield { channel: bytes[0] as number, bytes: bytes.subarray(1) };
      }
    },
    send: (frame) => {
      if (frame.channel === channel.close && !isV5) return Promise.resolve();
      return sendMessage(socket, Buffer.concat([Buffer.from([frame.channel]), frame.bytes]));
    },
    close: () => socket.close(1000),
  };
}

export function sendMessage(socket: WebSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.send(bytes, { binary: true }, (error) => (error ? reject(error) : resolve())));
}

/** Binary messages in order; the socket is paused while the reader is behind. */
export async function* messagesOf(socket: WebSocket): AsyncGenerator<Buffer, void> {
  const queue: Buffer[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  socket.on("message", (data) => {
    queue.push(Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data));
    if (queue.length > 16) socket.pause();
    wake();
  });
  const onEnd = (): void => {
    ended = true;
    wake();
  };
  socket.once("close", onEnd);
  socket.once("error", onEnd);
  if (socket.readyState >= socket.CLOSING) ended = true;
  for (;;) {
    const next = queue.shift();
    if (next !== undefined) {
      if (queue.length === 0 && socket.isPaused) socket.resume();
      yield next;
    } else if (ended) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

export interface SPDYStreams {
  readonly session: SPDYSession;
  readonly error: SPDYStream;
  readonly stdin?: SPDYStream | undefined;
  readonly stdout?: SPDYStream | undefined;
  readonly stderr?: SPDYStream | undefined;
  readonly resize?: SPDYStream | undefined;
}

/** The runtime behind SPDY streams: output comes in, input goes out, the status is sent last. */
export function spdyRuntimeEnd(streams: SPDYStreams): ChannelEnd {
  return {
    async *frames() {
      yield* merge([
        [channel.stdout, streams.stdout],
        [channel.stderr, streams.stderr],
      ]);
      const status: Buffer[] = [];
      for await (const chunk of streams.error) status.push(chunk as Buffer);
      // No word is a good word in the older protocol versions.
      yield {
        channel: channel.status,
        bytes: status.length > 0 ? Buffer.concat(status) : Buffer.from('{"metadata":{},"status":"Success"}'),
      };
    },
    async send(frame) {
      if (frame.channel === channel.close) {
        if (frame.bytes[0] === channel.stdin) streams.stdin?.end();
        return;
      }
      await writeTo(
        frame.channel === channel.stdin ? streams.stdin : frame.channel === channel.resize ? streams.resize : undefined,
        frame.bytes,
      );
    },
    close: () => streams.session.close(),
  };
}

/** A client behind SPDY streams (older kubectl, an upstream api-server): input comes in, output and status go out. */
export function spdyClientEnd(streams: SPDYStreams): ChannelEnd {
  return {
    async *frames() {
      yield* merge(
        [
          [channel.stdin, streams.stdin],
          [channel.resize, streams.resize],
        ],
        channel.stdin,
      );
      // Having nothing more to say is not leaving.
      await streams.session.closed;
    },
    async send(frame) {
      if (frame.channel === channel.stdout) await writeTo(streams.stdout, frame.bytes);
      else if (frame.channel === channel.stderr) await writeTo(streams.stderr, frame.bytes);
      else if (frame.channel === channel.status) {
        for (const stream of [streams.stdout, streams.stderr]) stream?.end();
        await writeTo(streams.error, frame.bytes);
        streams.error.end();
      }
    },
    close: () => void streams.session.finish(),
  };
}

async function writeTo(stream: SPDYStream | undefined, bytes: Buffer): Promise<void> {
  if (stream === undefined || stream.destroyed || stream.writableEnded || bytes.length === 0) return;
  if (!stream.write(bytes)) await Promise.race([once(stream, "drain"), once(stream, "close")]);
}

// Chunks of several streams as they come; the end of `announce` is told by a close frame.
async function* merge(sources: readonly (readonly [number, SPDYStream | undefined])[], announce?: number): AsyncGenerator<Frame, void> {
  type Step = { number: number; iterator: AsyncIterator<Buffer>; result: IteratorResult<Buffer> };
  const pending = new Map<number, Promise<Step>>();
  const ask = (number: number, iterator: AsyncIterator<Buffer>): void => {
    pending.set(
      number,
      iterator.next().then(
        (result) => ({ number, iterator, result }),
        () => ({ number, iterator, result: { done: true as const, value: undefined } }),
      ),
    );
  };
  for (const [number, stream] of sources) if (stream !== undefined) ask(number, stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>);
  while (pending.size > 0) {
    const { number, iterator, result } = await Promise.race(pending.values());
    if (result.done === true) {
      pending.delete(number);
      if (number === announce) yield { channel: channel.close, bytes: Buffer.from([number]) };
      continue;
    }
    ask(number, iterator);
    yield { channel: number, bytes: result.value };
  }
}
