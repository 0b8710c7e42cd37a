// The ways to all peers of a member.
//
// Owns:  the links, and who sends snapshots by them.
// Not:   what messages mean (raft), what peers send here (peer-service).

import { type ChannelCredentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Clock, Logger, Random } from "@lenj/base";
import type {
  FetchStateRequest,
  LeasesRenewReply,
  LeaseTimesReply,
  PeerHashReply,
  PromoteReply,
  QuarantineReply,
  SnapshotChunk,
} from "@lenj/proto/raft";
import type { Message, SnapMessage } from "@lenj/raft";
import type { ClientTLS } from "@lenj/rpc-server";
import type { HashReport } from "../../core/compare-hashes.js";
import { storeErrorOfText } from "../../core/errors.js";
import type { PeerAddress, PeerTransport } from "../../replica/ports.js";
import type { PromotionForwarder } from "../../services/membership-changes.js";
import type { LeaseForwarder } from "../lease-keeper.js";
import type { LevelBackend } from "../level/level-backend.js";
import type { VersionForwarder } from "../version-monitor.js";
import { clusterInfoOf } from "./peer-client.js";
import type { PeerCounts } from "./peer-counts.js";
import { callTimeoutMs, PeerLink } from "./peer-link.js";
import { Renewals } from "./renewals.js";
import { GrpcStateChannel } from "./state-channel.js";
import { StateSender } from "./state-sender.js";

const versionTimeoutMs = 1_000;

export interface PeerTransportOptions {
  readonly clusterID: bigint;
  readonly memberID: bigint;
  /** Where this member listens to peers, as far as it knows by now. */
  readonly ownURLs: () => readonly string[];
  /** `target` is "host:port". */
  readonly credentials: (target: string, isSecure: boolean) => ChannelCredentials;
  readonly tls: (target: string) => ClientTLS;
  readonly backend: LevelBackend;
  readonly random: Random;
  /** Entries after this one are in the log. */
  readonly logBegin: () => number;
  readonly counts: PeerCounts;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the transport tells its member. */
export interface PeerEvents {
  onUnreachable(id: bigint): void;
  /** A peer that was connected has nobody listening at its address any more. */
  onGone(id: bigint): void;
  onSnapshotSent(id: bigint, ok: boolean): void;
  /** A peer says that this member was removed from the cluster. */
  onRemoved(): void;
}

export class GrpcPeerTransport implements PeerTransport, LeaseForwarder, PromotionForwarder, VersionForwarder {
  readonly #links = new Map<bigint, { readonly url: string; readonly link: PeerLink }>();
  readonly #sender: StateSender;
  readonly #renewals = new Renewals((leaderID, ids) => this.#renewAll(leaderID, ids));
  events: PeerEvents = { onUnreachable: () => {}, onGone: () => {}, onSnapshotSent: () => {}, onRemoved: () => {} };

  constructor(readonly options: PeerTransportOptions) {
    this.#sender = new StateSender({ ...options, onSent: (id, ok) => this.events.onSnapshotSent(id, ok) });
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const wanted = new Map(peers.map((peer) => [peer.id, peer.peerURLs[0] ?? ""]));
    for (const [id, { url, link }] of this.#links) {
      if (wanted.get(id) === url) continue;
      link.close();
      this.#links.delete(id);
    }
    for (const [id, url] of wanted) if (url !== "" && !this.#links.has(id)) this.#links.set(id, { url, link: this.#linkTo(id, url) });
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.#links.get(message.to)?.link.send(message);
  }

  sendSnapshot(message: SnapMessage): void {
    const link = this.#links.get(message.to)?.link;
    if (link === undefined) this.events.onSnapshotSent(message.to, false);
    else this.#sender.send(message, () => new GrpcStateChannel(link.client));
  }

  /** What to send to a member that asks for a state, and may have part of one. */
  stateFor(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> {
    return this.#sender.answer(request);
  }

  connectedForMs(id: bigint): number | undefined {
    const since = this.#links.get(id)?.link.connectedMs;
    return since === undefined ? undefined : this.options.clock.monotonicMs() - since;
  }

  renewAt(leaderID: bigint, id: bigint): Promise<number | undefined> {
    return this.#renewals.renew(leaderID, id);
  }

  #renewAll(leaderID: bigint, ids: readonly bigint[]): Promise<readonly number[]> {
    return this.#call(leaderID, (link, done) =>
      link.client.renewLeases(
        { clusterId: this.options.clusterID, ids: [...ids] },
        new Metadata(),
        deadline(),
        (error: ServiceError | null, reply?: LeasesRenewReply) => done(error, reply?.ttlSeconds.map(Number) ?? []),
      ),
    );
  }

  timesAt(leaderID: bigint, id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined> {
    return this.#call(leaderID, (link, done) =>
      link.client.leaseTimes(
        { clusterId: this.options.clusterID, id },
        new Metadata(),
        deadline(),
        (error: ServiceError | null, reply?: LeaseTimesReply) =>
          done(
            error,
            reply === undefined || reply.notFound
              ? undefined
              : { remainingSeconds: reply.remainingTtlSeconds, grantedSeconds: reply.grantedTtlSeconds },
          ),
      ),
    );
  }

  async promoteAt(leaderID: bigint, id: bigint): Promise<void> {
    const answer = await this.#call<string>(leaderID, (link, done) =>
      link.client.promoteMember(
        { clusterId: this.options.clusterID, memberId: id },
        new Metadata(),
        deadline(),
        (error: ServiceError | null, reply?: PromoteReply) => done(error, reply?.error ?? ""),
      ),
    );
    if (answer !== "") throw storeErrorOfText(answer) ?? new Error(answer);
  }

  async versionAt(id: bigint): Promise<string> {
    const link = this.#links.get(id)?.link;
    if (link === undefined) throw new Error("not a known peer");
    return (await clusterInfoOf(link.client, versionTimeoutMs)).serverVersion;
  }

  /** Waits for the peer to be as far as this member's log was when it asked. */
  hashAt(peerID: bigint, revision: number, timeoutMs = hashTimeoutMs): Promise<HashReport> {
    const request = { clusterId: this.options.clusterID, revision };
    return this.#call(peerID, (link, done) =>
      link.client.hashKv(request, new Metadata(), deadline(timeoutMs), (error: ServiceError | null, reply?: PeerHashReply) =>
        done(error, { memberID: peerID, ...(reply ?? noHash) }),
      ),
    );
  }

  /** Returns whether the peer found that its data differs, too. */
  quarantineAt(peerID: bigint, { memberID: memberId, ...majority }: HashReport): Promise<boolean> {
    const request = { clusterId: this.options.clusterID, memberId: peerID, majority: { memberId, ...majority } };
    return this.#call(peerID, (link, done) =>
      link.client.quarantine(request, new Metadata(), deadline(hashTimeoutMs), (error: ServiceError | null, reply?: QuarantineReply) =>
        done(error, reply?.quarantined === true),
      ),
    );
  }

  async close(): Promise<void> {
    await this.#sender.close();
    for (const { link } of this.#links.values()) link.close();
    this.#links.clear();
  }

  #call<T>(peerID: bigint, ask: (link: PeerLink, done: (error: ServiceError | null, value: T) => void) => void): Promise<T> {
    const link = this.#links.get(peerID)?.link;
    if (link === undefined) return Promise.reject(new Error("the leader is not a known peer"));
    return new Promise((resolve, reject) => ask(link, (error, value) => (error === null ? resolve(value) : reject(error))));
  }

  #linkTo(id: bigint, url: string): PeerLink {
    const { host, protocol } = new URL(url);
    const { clusterID, memberID, clock, logger } = this.options;
    return new PeerLink({
      peerID: id,
      target: host,
      credentials: this.options.credentials(host, protocol === "https:"),
      tls: () => (protocol === "https:" ? this.options.tls(host) : undefined),
      hello: () => ({ clusterId: clusterID, from: memberID, to: id, peerUrls: [...this.options.ownURLs()] }),
      count: this.options.counts.of(id),
      ...{ clock, logger },
      onUnreachable: () => this.events.onUnreachable(id),
      onGone: () => this.events.onGone(id),
      onRemoved: () => this.events.onRemoved(),
    });
  }
}

/** A peer reads all its rows to answer. */
const hashTimeoutMs = 120_000;
const noHash = { hash: 0, hashRevision: 0, compactRevision: 0 };

const deadline = (timeoutMs = callTimeoutMs): { deadline: number } => ({ deadline: Date.now() + timeoutMs });
