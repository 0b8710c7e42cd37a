// The way to one peer: a long-lived stream of message batches, and single calls beside it.
//
// P1. Messages of one event-loop turn leave as one frame.
// P2. A broken stream is made anew after a pause that grows; what was on it, and what does not fit, is lost: raft repeats.
import {
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { type Clock, type Logger, type Timer, tlsPeerOf } from "@lenj/base";
import { type PeerClient, type PeerFrame, type PeerReply, PeerService } from "@lenj/proto/raft";
import type { Message } from "@lenj/raft";
import { encodeMessage } from "./message-codec.js";
import type { PeerCount } from "./peer-counts.js";
import { removedReason } from "./peer-service.js";

const firstPauseMs = 50;
const longestPauseMs = 1_000;
/** Frames queued inside the stream past which a peer counts as stuck. */
const queuedFramesMax = 1_024;
export const callTimeoutMs = 5_000;

export interface PeerLinkOptions {
  readonly peerID: bigint;
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly hello: { readonly clusterId: bigint; readonly from: bigint; readonly to: bigint };
  readonly count: PeerCount;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onUnreachable: () => void;
  /** The peer says that this member was removed from the cluster. */
  readonly onRemoved: () => void;
}

export class PeerLink {
  readonly client: PeerClient;
  #stream: ClientDuplexStream<PeerFrame, PeerReply> | undefined;
  #connectedMs: number | undefined;
  #pauseMs = firstPauseMs;
  #retry: Timer | undefined;
  #closed = false;
  #waiting: Message[] = [];
  #flushScheduled = false;
  #queuedFrames = 0;

  constructor(readonly options: PeerLinkOptions) {
    const { serverName } = tlsPeerOf(options.target);
    const Constructor = makeGenericClientConstructor(countedService(options.count), "Peer");
    this.client = new Constructor(options.target, options.credentials, {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.min_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 1_000,
      "grpc.enable_retries": 0,
      ...(serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName }),
    }) as unknown as PeerClient;
    this.#connect();
  }

  /** When the peer last accepted this stream, on the clock; undefined while it has not. */
  get connectedMs(): number | undefined {
    return this.#connectedMs;
  }

  send(message: Message): void {
    const { count, clock, onUnreachable } = this.options;
    if (this.#stream === undefined || this.#connectedMs === undefined || this.#queuedFrames > queuedFramesMax) {
      count.sendFailures += 1;
      onUnreachable();
      return;
    }
    if (message.type === "heartbeat") count.onHeartbeatSent(clock.monotonicMs());
    this.#waiting.push(message);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.#closed = true;
    this.options.count.isConnected = false;
    this.#retry?.cancel();
    this.#stream?.cancel();
    (this.client as unknown as Client).close();
  }

  #flush(): void {
    this.#flushScheduled = false;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#queuedFrames += 1;
    this.#stream?.write({ frame: { $case: "batch", value: { messages: messages.map(encodeMessage) } } }, () => {
      this.#queuedFrames -= 1;
    });
  }

  #connect(): void {
    if (this.#closed) return;
    const stream = this.client.exchange();
    this.#stream = stream;
    this.#queuedFrames = 0;
    stream.write({ frame: { $case: "hello", value: { ...this.options.hello, protocolVersion: 1 } } });
    stream.on("data", () => {
      if (this.#connectedMs === undefined) this.options.logger.info("Connected to peer", { peer: this.options.peerID });
      this.options.count.onConnection(true);
      this.#connectedMs = this.options.clock.monotonicMs();
      this.#pauseMs = firstPauseMs;
    });
    let isOver = false;
    const onOver = (error?: ServiceError): void => {
      if (isOver || this.#stream !== stream) return;
      isOver = true;
      if (this.#connectedMs !== undefined && !this.#closed)
        this.options.logger.warn("Lost peer", { peer: this.options.peerID, reason: error?.details ?? "stream ended" });
      this.#stream = undefined;
      this.#connectedMs = undefined;
      this.options.count.onConnection(false);
      this.options.onUnreachable();
      if (this.#closed) return;
      if (error?.details === removedReason) {
        this.options.onRemoved();
        return;
      }
      this.#retry = this.options.clock.after(this.#pauseMs, () => this.#connect());
      this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
    };
    stream.on("error", onOver);
    stream.on("end", () => onOver());
    stream.on("close", () => onOver());
  }
}

/** The service with the bytes of the stream counted as they are encoded. */
function countedService(count: PeerCount): ServiceDefinition {
  const { exchange } = PeerService;
  const requestSerialize = (frame: PeerFrame): Buffer => {
    const bytes = exchange.requestSerialize(frame);
    count.sentBytes += bytes.length;
    return bytes;
  };
  return { ...PeerService, exchange: { ...exchange, requestSerialize } };
}
