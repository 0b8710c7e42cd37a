// Fetches the leader's whole state for a member whose own is damaged.
//
// Not:   putting it in place (snapshot-files, at the next opening), who is damaged (quarantine).
// F1. Only the state is replaced. The member's log, its term and vote with it, is what it promised others and stays; the member is off while
//     it waits, which for raft is a member that is down. The leader confirms that it leads before it sends, so that what it sends reaches
//     at least as far as the log of the asking member had been cut.
// F2. Who leads may have joined since this member last heard of anybody: peers that do not lead are asked who the members are now.
import type { ChannelCredentials, Client } from "@grpc/grpc-js";
import type { Clock, Logger } from "@lenj/base";
import { type FetchStateRequest, PeerClient, type SnapshotChunk } from "@lenj/proto/raft";
import type { PeerAddress } from "../../replica/ports.js";
import { IncomingState, type PartialStates } from "./incoming-state.js";
import { clusterInfoOf } from "./peer-client.js";
import { peerChannelOptions } from "./peer-link.js";

const firstPauseMs = 250;
const longestPauseMs = 5_000;
const membersTimeoutMs = 1_000;

/** A peer that is asked for its state. */
export interface StateSource {
  fetch(request: FetchStateRequest): AsyncIterable<SnapshotChunk>;
  /** The members of the cluster as the peer knows it. */
  members(clusterID: bigint): Promise<readonly PeerAddress[]>;
  /** Ends what was fetched, too. */
  close(): void;
}

export interface RefillOptions {
  readonly clusterID: bigint;
  readonly memberID: bigint;
  /** Where what arrives is put. */
  readonly partials: PartialStates;
  readonly peers: readonly PeerAddress[];
  /** Told of more, to be asked from the beginning at a next try. */
  readonly onPeers: (peers: readonly PeerAddress[]) => void;
  readonly connect: (peerURL: string) => StateSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Asks all peers in turn, again and again, until one that leads has sent everything. Rejects only when aborted. */
export async function fetchState(options: RefillOptions): Promise<void> {
  const { clock, logger, signal } = options;
  let { peers } = options;
  let told = "";
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const refusals: string[] = [];
    const asked = peers;
    for (const { id, peerURLs } of asked) {
      for (const url of peerURLs) {
        signal.throwIfAborted();
        try {
          const bytes = await fetchFrom(url, options);
          logger.info("Received the leader's state", { leader: id.toString(16), bytes });
          return;
        } catch (error) {
          refusals.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
        }
        peers = withMembers(peers, await membersAt(url, options));
      }
    }
    if (peers !== asked) options.onPeers(peers);
    const refusal = refusals.join("; ");
    if (refusal !== told) logger.warn("No peer has sent its state yet; asking again", { refusals });
    told = refusal;
    await pause(clock, pauseMs, signal);
  }
}

/** None from one that does not answer. */
async function membersAt(url: string, { clusterID, memberID, connect, signal }: RefillOptions): Promise<readonly PeerAddress[]> {
  const source = connect(url);
  const close = (): void => source.close();
  signal.addEventListener("abort", close);
  try {
    return (await source.members(clusterID)).filter(({ id }) => id !== memberID);
  } catch {
    return [];
  } finally {
    signal.removeEventListener("abort", close);
    source.close();
  }
}

/** The same list when nobody is new in it, nor anywhere else than before. */
function withMembers(peers: readonly PeerAddress[], members: readonly PeerAddress[]): readonly PeerAddress[] {
  const textOf = ({ id, peerURLs }: PeerAddress): string => `${id} ${peerURLs.join()}`;
  const known = new Set(peers.map(textOf));
  const news = members.filter((member) => member.peerURLs.length > 0 && !known.has(textOf(member)));
  if (news.length === 0) return peers;
  return [...peers.filter(({ id }) => !news.some((member) => member.id === id)), ...news];
}

async function fetchFrom(url: string, { clusterID, memberID, partials, connect, logger, signal }: RefillOptions): Promise<number> {
  const source = connect(url);
  const close = (): void => source.close();
  signal.addEventListener("abort", close);
  let incoming: IncomingState | undefined;
  try {
    const held = await heldOf(partials, logger);
    let bytes: number | undefined;
    for await (const { chunk } of source.fetch({ clusterId: clusterID, memberId: memberID, ...held })) {
      if (chunk?.$case === "header") {
        if (chunk.value.state === undefined) throw new Error("the state has no name");
        incoming = await IncomingState.open(partials, chunk.value.state, logger);
      } else if (incoming === undefined) throw new Error("the state came without its header");
      else if (chunk?.$case === "begin") {
        await incoming.begin(chunk.value, logger);
        if (chunk.value.sizeBytes > 0) logger.info("Resuming the leader's state", { fromByte: chunk.value.sizeBytes });
      } else if (chunk?.$case === "data") await incoming.write(chunk.value);
      else if (chunk?.$case === "trailer") {
        const complete = incoming;
        incoming = undefined;
        await complete.finish(chunk.value);
        bytes = chunk.value.sizeBytes;
      }
    }
    if (bytes === undefined) throw new Error("the state ended early");
    return bytes;
  } finally {
    await incoming?.release();
    signal.removeEventListener("abort", close);
    source.close();
  }
}

/** The real way. */
export function grpcStateSource(url: string, credentials: (target: string, isSecure: boolean) => ChannelCredentials): StateSource {
  const { host, protocol } = new URL(url);
  const client = new PeerClient(host, credentials(host, protocol === "https:"), peerChannelOptions(host));
  let call: ReturnType<PeerClient["fetchState"]> | undefined;
  return {
    fetch: (request) => (call = client.fetchState(request)),
    members: async (clusterID) => {
      const { clusterId, members } = await clusterInfoOf(client, membersTimeoutMs);
      return clusterId === clusterID ? members.map(({ id, peerUrls }) => ({ id, peerURLs: peerUrls })) : [];
    },
    close: () => {
      call?.cancel();
      (client as unknown as Client).close();
    },
  };
}

/** What a fetch before this one left. */
async function heldOf(partials: PartialStates, logger: Logger): Promise<Pick<FetchStateRequest, "state" | "held">> {
  const [state] = partials.list();
  if (state === undefined) return { state: undefined, held: undefined };
  const incoming = await IncomingState.open(partials, state, logger);
  const { held } = incoming;
  await incoming.release();
  return { state, held };
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal.addEventListener("abort", done);
  });
}
