import type { Membership } from "../core/membership.js";
import type { PeerAddress } from "./ports.js";

/** Whom a member talks to: those that its state names, and `initialPeers` besides while it does not name the member itself. */
export function knownPeers(memberID: bigint, members: Pick<Membership, "list">, initialPeers: readonly PeerAddress[] = []): PeerAddress[] {
  const listed = members.list();
  const isKnown = listed.some(({ id }) => id === memberID);
  const peers = new Map((isKnown ? [] : initialPeers).map((peer) => [peer.id, peer]));
  for (const { id, peerUrls } of listed) peers.set(id, { id, peerURLs: peerUrls });
  peers.delete(memberID);
  return [...peers.values()];
}
