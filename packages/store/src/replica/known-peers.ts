// Whom a member talks to.
//
// K1. Those that its state names; besides, while it does not name the member itself, those that it was started with.
// K2. Also who made itself known but is not named yet: a member that lags behind may have to answer a leader that joined since, and learns
//     of it by no other way. Upstream: the transport's remotes.
import type { Membership } from "../core/membership.js";
import type { PeerAddress, PeerTransport } from "./ports.js";

/** More than join while one member lags. */
const metMax = 64;

export interface KnownPeersParts {
  readonly memberID: bigint;
  readonly initialPeers: readonly PeerAddress[];
  readonly members: () => Pick<Membership, "list" | "isRemoved">;
  readonly transport: Pick<PeerTransport, "setPeers">;
}

export class KnownPeers {
  #met: readonly PeerAddress[] = [];

  constructor(private readonly parts: KnownPeersParts) {}

  /** To be called when the members changed. */
  refresh(): void {
    const { memberID, initialPeers, members, transport } = this.parts;
    const listed = members().list();
    const isNamed = (id: bigint): boolean => listed.some((member) => member.id === id);
    this.#met = this.#met.filter(({ id }) => !isNamed(id) && !members().isRemoved(id));
    const unnamed = [...this.#met, ...(isNamed(memberID) ? [] : initialPeers)];
    const peers = new Map(unnamed.map((peer) => [peer.id, peer]));
    for (const { id, peerUrls } of listed) peers.set(id, { id, peerURLs: peerUrls });
    peers.delete(memberID);
    transport.setPeers([...peers.values()]);
  }

  /** Somebody of this cluster says who it is and where. */
  meet(peer: PeerAddress): void {
    const members = this.parts.members();
    if (peer.peerURLs.length === 0 || members.isRemoved(peer.id) || members.list().some(({ id }) => id === peer.id)) return;
    this.#met = [...this.#met.filter(({ id }) => id !== peer.id), peer].slice(-metMax);
    this.refresh();
  }
}
