// The way to one peer: a long-lived stream of message batches, and single calls beside it.
//
// P1. Messages of one event-loop turn leave as one frame.
// P2. A broken stream is made anew after a pause that grows; what was on it, and what does not fit, is lost: raft repeats.
import type { ChannelCredentials, ChannelOptions, Client } from "@grpc/grpc-js";
import { type Clock, type Logger, type Timer, tlsPeerOf } from "@lenj/base";
import { type Hello, type PeerClient, PeerClient as PeerClientConstructor, PeerService } from "@lenj/proto/raft";
import type { Message } from "@lenj/raft";
import { ClientStream, type ClientTLS, type RpcStatus } from "@lenj/rpc-server";
import { encodeBatch, encodeHello } from "./frame-codec.js";
import type { PeerCount } from "./peer-counts.js";
import { removedReason } from "./peer-service.js";

const firstPauseMs = 50;
const longestPauseMs = 1_000;
/** Bytes written and not yet taken by the system past which a peer counts as stuck. */
const unsentBytesMax = 64 * 1024 * 1024;
const replyBytesMax = 64 * 1024;
const connectTimeoutMs = 5_000;
const keepAlive = { timeMs: 10_000, timeoutMs: 5_000 };
export const callTimeoutMs = 5_000;

export interface PeerLinkOptions {
  readonly peerID: bigint;
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** For the stream; asked for at each connection, so that renewed certificates count. Undefined: plain. */
  readonly tls: () => ClientTLS | undefined;
  /** What it says first, at each connection. */
  readonly hello: () => Omit<Hello, "protocolVersion">;
  readonly count: PeerCount;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onUnreachable: () => void;
  /** Nobody listens at the peer's address any more. Said once for each connection that was lost. */
  readonly onGone: () => void;
  /** The peer says that this member was removed from the cluster. */
  readonly onRemoved: () => void;
}

/** How a peer at `target` ("host:port") is dialled. */
export function peerChannelOptions(target: string): ChannelOptions {
  const { serverName } = tlsPeerOf(target);
  return {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    // A server takes pings without calls for a flood, etcd's and ours.
    "grpc.keepalive_permit_without_calls": 0,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.min_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.enable_retries": 0,
    ...(serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName }),
  };
}

export class PeerLink {
  readonly client: PeerClient;
  #stream: ClientStream | undefined;
  #connectedMs: number | undefined;
  /** A connection was lost, and why is not known. */
  #isInDoubt = false;
  #pauseMs = firstPauseMs;
  #retry: Timer | undefined;
  #closed = false;
  #waiting: Message[] = [];
  #flushScheduled = false;

  constructor(readonly options: PeerLinkOptions) {
    this.client = new PeerClientConstructor(options.target, options.credentials, peerChannelOptions(options.target));
    this.#connect();
  }

  /** When the peer last accepted this stream, on the clock; undefined while it has not. */
  get connectedMs(): number | undefined {
    return this.#connectedMs;
  }

  send(message: Message): void {
    const { count, clock, onUnreachable } = this.options;
    if (this.#stream === undefined || this.#connectedMs === undefined || this.#stream.unsentBytes > unsentBytesMax) {
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
    this.#stream?.close();
    (this.client as unknown as Client).close();
  }

  #flush(): void {
    this.#flushScheduled = false;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#write(encodeBatch(messages));
  }

  #write(frame: Buffer): void {
    this.options.count.sentBytes += frame.length;
    this.#stream?.write(frame);
  }

  #connect(): void {
    if (this.#closed) return;
    const { target, hello, count, clock, logger, peerID } = this.options;
    let tls: ClientTLS | undefined;
    try {
      tls = this.options.tls();
    } catch (error) {
      logger.error("Cannot read the peer certificates", { error });
      this.#connectLater();
      return;
    }
    const stream = new ClientStream({
      ...{ target, tls, clock, connectTimeoutMs, keepAlive, path: PeerService.exchange.path, receiveBytesMax: replyBytesMax },
      onMessage: () => {
        if (this.#connectedMs === undefined) logger.info("Connected to peer", { peer: peerID });
        count.onConnection(true);
        this.#connectedMs = clock.monotonicMs();
        this.#pauseMs = firstPauseMs;
      },
      onClose: (status) => this.#onOver(status),
    });
    this.#stream = stream;
    this.#write(encodeHello({ ...hello(), protocolVersion: 1 }));
  }

  #onOver({ details }: RpcStatus): void {
    const isRefused = this.#stream?.isRefused === true;
    const wasConnected = this.#connectedMs !== undefined;
    this.#stream = undefined;
    this.#connectedMs = undefined;
    this.options.count.onConnection(false);
    this.options.onUnreachable();
    if (this.#closed) return;
    if (wasConnected) this.options.logger.warn("Lost peer", { peer: this.options.peerID, reason: details });
    if (this.#isInDoubt && isRefused) this.options.onGone();
    this.#isInDoubt = wasConnected || (this.#isInDoubt && !isRefused);
    if (details === removedReason) this.options.onRemoved();
    else this.#connectLater();
  }

  #connectLater(): void {
    this.#retry = this.options.clock.after(this.#pauseMs, () => this.#connect());
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
  }
}
