// Fetches the leader's whole state for a member whose own is damaged.
//
// Not:   putting it in place (snapshot-files, at the next opening), who is damaged (quarantine).
// F1. Only the state is replaced. The member's log, its term and vote with it, is what it promised others and stays; the member is off while
//     it waits, which for raft is a member that is down. The leader confirms that it leads before it sends, so that what it sends reaches
//     at least as far as the log of the asking member had been cut.
import type { ChannelCredentials, Client } from "@grpc/grpc-js";
import type { Clock, Logger } from "@lenj/base";
import { type FetchStateRequest, PeerClient } from "@lenj/proto/raft";
import type { PeerAddress } from "../../replica/ports.js";
import { IncomingState, type PartialStates } from "./incoming-state.js";
import { peerChannelOptions } from "./peer-link.js";
import { partialStates } from "./snapshot-files.js";

const firstPauseMs = 250;
const longestPauseMs = 5_000;

export interface RefillOptions {
  readonly clusterID: bigint;
  readonly memberID: bigint;
  /** The member's. */
  readonly folder: string;
  readonly peers: readonly PeerAddress[];
  /** `target` is "host:port". */
  readonly credentials: (target: string, isSecure: boolean) => ChannelCredentials;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Asks all peers in turn, again and again, until one that leads has sent everything. Rejects only when aborted. */
export async function fetchState(options: RefillOptions): Promise<void> {
  const { peers, clock, logger, signal } = options;
  let told = "";
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const refusals: string[] = [];
    for (const { id, peerURLs } of peers) {
      for (const url of peerURLs) {
        signal.throwIfAborted();
        try {
          const bytes = await fetchFrom(url, options);
          logger.info("Received the leader's state", { leader: id.toString(16), bytes });
          return;
        } catch (error) {
          refusals.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
    const refusal = refusals.join("; ");
    if (refusal !== told) logger.warn("No peer has sent its state yet; asking again", { refusals });
    told = refusal;
    await pause(clock, pauseMs, signal);
  }
}

async function fetchFrom(url: string, options: RefillOptions): Promise<number> {
  const { host, protocol } = new URL(url);
  const client = new PeerClient(host, options.credentials(host, protocol === "https:"), peerChannelOptions(host));
  const partials = partialStates(options.folder);
  const held = await heldOf(partials, options.logger);
  const call = client.fetchState({ clusterId: options.clusterID, memberId: options.memberID, ...held });
  const cancel = (): void => call.cancel();
  options.signal.addEventListener("abort", cancel);
  let incoming: IncomingState | undefined;
  try {
    let bytes: number | undefined;
    for await (const { chunk } of call) {
      if (chunk?.$case === "header") {
        if (chunk.value.state === undefined) throw new Error("the state has no name");
        incoming = await IncomingState.open(partials, chunk.value.state, options.logger);
      } else if (incoming === undefined) throw new Error("the state came without its header");
      else if (chunk?.$case === "begin") {
        await incoming.begin(chunk.value, options.logger);
        if (chunk.value.sizeBytes > 0) options.logger.info("Resuming the leader's state", { fromByte: chunk.value.sizeBytes });
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
    options.signal.removeEventListener("abort", cancel);
    call.cancel();
    (client as unknown as Client).close();
  }
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
