// What a member does about damage to its own data: the mark, the leader's state, and when neither helps.
//
// Not:   finding damage (drivers/level on reads, drivers/corruption-checker across members), a member that runs (in-service).
// R1. The state is a consequence of the log; losing it breaks no promise, so it is replaced without asking anybody's leave.
// R2. The log is what this member promised: entries that it acknowledged, whom it voted for. A member whose log lost some could help to elect
//     a leader without them, or two leaders of one term. How much is lost cannot be known from what is left, so it never comes back by itself.
import type { Clock, Logger } from "@lenj/base";
import { DataDamaged } from "./core/errors.js";
import type { PartialStates } from "./drivers/peer/incoming-state.js";
import { fetchState, type StateSource } from "./drivers/peer/state-refill.js";
import type { Identity } from "./identity.js";
import type { QuarantineMark } from "./quarantine.js";
import type { PeerAddress } from "./replica/ports.js";

export interface RecoveryParts<Opened> extends Identity {
  readonly name: string;
  /** As its operator knows it. */
  readonly dataDir: string;
  readonly mark: QuarantineMark;
  readonly partials: PartialStates;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whom to ask when the state cannot say who the members are. */
  readonly initialMembers: readonly PeerAddress[];
  /** A complete state waits to be put in place. */
  hasIncoming(): boolean;
  /** Opens the data. Throws DataDamaged. */
  open(initialPeers: readonly PeerAddress[]): Promise<Opened>;
  close(opened: Opened): Promise<void>;
  connect(peerURL: string): StateSource;
}

export class Recovery<Opened> {
  constructor(readonly parts: RecoveryParts<Opened>) {}

  /** Opens the data. A state that is marked or found damaged is replaced by the leader's first. Throws DataDamaged when it cannot be. */
  async openOrRefill(signal: AbortSignal, initialPeers: readonly PeerAddress[] = []): Promise<Opened> {
    for (let isRefilled = false; ; isRefilled = true) {
      await this.#refillIfMarked(signal);
      try {
        return await this.parts.open(initialPeers);
      } catch (error) {
        if (!(error instanceof DataDamaged) || isRefilled) throw error;
        if (error.part === "log") throw this.#refuseLog(error);
        this.quarantine(error.message, initialPeers.length > 0 ? initialPeers : this.parts.initialMembers);
      }
    }
  }

  /** Notes on disk that the state is not to be used. Throws DataDamaged when there is nobody to get another one from. */
  quarantine(reason: string, members: readonly PeerAddress[]): void {
    const { memberID, name, dataDir, mark, partials, logger } = this.parts;
    const peers = members.filter(({ id }) => id !== memberID).map(({ id, peerURLs }) => ({ id, peerURLs }));
    if (peers.length === 0) {
      throw new DataDamaged(
        "state",
        `The data of ${name} is damaged, and it has no peers to take a state from: ${reason}. Restore a snapshot: lenj-store restore`,
      );
    }
    const who = { member: memberID.toString(16), name, dataDir, reason };
    logger.error("Quarantined: this member's data is damaged. It serves nobody until it has the leader's state", who);
    // What arrived of a state before the damage was found may end before the log begins.
    for (const partial of partials.list()) partials.drop(partial);
    mark.write({ reason, peers, isRefilled: false });
  }

  async #refillIfMarked(signal: AbortSignal): Promise<void> {
    const { name, mark, logger } = this.parts;
    const quarantine = mark.read();
    if (quarantine === undefined || quarantine.isRefilled || this.parts.hasIncoming()) return;
    logger.info("Taking the leader's state", { name, reason: quarantine.reason });
    const { clusterID, memberID, partials, clock } = this.parts;
    const connect = (url: string): StateSource => this.parts.connect(url);
    const onPeers = (peers: readonly PeerAddress[]): void => mark.write({ ...quarantine, peers });
    await fetchState({ clusterID, memberID, partials, peers: quarantine.peers, onPeers, connect, clock, logger, signal });
  }

  #refuseLog(error: DataDamaged): DataDamaged {
    const { name, dataDir, memberID } = this.parts;
    const id = memberID.toString(16);
    return new DataDamaged(
      "log",
      `Cannot start ${name}: its raft log is damaged (${error.message}). The log holds what this member promised to the others, so it ` +
        `cannot come back as ${id}. Replace it from a healthy member: lenj-store member replace ${id}, then start it with an empty ${dataDir}`,
      { cause: error },
    );
  }
}
