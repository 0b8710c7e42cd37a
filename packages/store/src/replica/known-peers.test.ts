import { KnownPeers } from "./known-peers.js";
import type { PeerAddress } from "./ports.js";

const url = (id: bigint): string[] => [`http://10.0.0.${id}:2380`];

function peersOf(initialIDs: readonly bigint[], listedIDs: readonly bigint[]) {
  const listed = [...listedIDs];
  const removed: bigint[] = [];
  let set: readonly PeerAddress[] = [];
  const peers = new KnownPeers({
    memberID: 1n,
    initialPeers: initialIDs.map((id) => ({ id, peerURLs: url(id) })),
    members: () => ({
      list: () => listed.map((id) => ({ id, name: "", peerUrls: url(id), clientUrls: [], isLearner: false })),
      isRemoved: (id) => removed.includes(id),
    }),
    transport: {
      setPeers: (given) => {
        set = given;
      },
    },
  });
  peers.refresh();
  return { peers, listed, removed, ids: () => set.map(({ id }) => id).sort() };
}

describe("KnownPeers", () => {
  it("are those that the state names, without the member itself", () => {
    expect(peersOf([9n], [1n, 2n, 3n]).ids()).toEqual([2n, 3n]);
  });

  it("are besides those that it was started with, until the state names it", () => {
    const { peers, listed, ids } = peersOf([9n], [2n]);
    expect(ids()).toEqual([2n, 9n]);
    listed.push(1n);
    peers.refresh();
    expect(ids()).toEqual([2n]);
  });

  it("are also who made itself known: a leader that joined while this member lagged", () => {
    const { peers, listed, ids } = peersOf([], [1n, 2n]);
    peers.meet({ id: 4n, peerURLs: url(4n) });
    expect(ids()).toEqual([2n, 4n]);
    listed.push(4n);
    peers.refresh();
    listed.pop();
    peers.refresh();
    expect(ids()).toEqual([2n]);
  });

  it("are not who was removed, before or since, nor who says nothing of where it is", () => {
    const { peers, removed, ids } = peersOf([], [1n, 2n]);
    removed.push(5n);
    peers.meet({ id: 5n, peerURLs: url(5n) });
    peers.meet({ id: 6n, peerURLs: [] });
    peers.meet({ id: 7n, peerURLs: url(7n) });
    expect(ids()).toEqual([2n, 7n]);
    removed.push(7n);
    peers.refresh();
    expect(ids()).toEqual([2n]);
  });

  it("stay bounded, whoever comes", () => {
    const { peers, ids } = peersOf([], [1n]);
    for (let id = 10n; id < 200n; id += 1n) peers.meet({ id, peerURLs: url(id) });
    expect(ids().length).toBe(64);
    expect(ids()).toContain(199n);
  });
});
