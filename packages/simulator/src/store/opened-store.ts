// What a simulated member has open: the store's own code over the simulator's disk and links, opened and closed as a whole.
//
// Not:   the process that it runs in (StoreMember).
// S1. Data is opened by the store's own code, also after a whole state arrived; nothing is carried over in memory.
// S2. Observers hear of what leaves the replica at the moment it leaves; they report violations and never throw into the store.
import { SeededRandom } from "@lenj/base";
import type { Ready } from "@lenj/raft";
import { LeaseKeeper, MembershipChanges, type OpenedData, openData, Replica } from "@lenj/store/testing";
import type { StoreMember } from "./store-member.js";
import { electionTicks, heartbeatMs } from "./store-options.js";
import type { SimulatedProcess, SkewedClock } from "./world/process.js";
import { SimulatedTransport } from "./world/simulated-transport.js";

export const clusterID = 0xc105n;
export const maxRequestBytes = 1_572_864;

export interface OpenedStore extends OpenedData {
  readonly replica: Replica;
  readonly transport: SimulatedTransport;
  readonly leases: LeaseKeeper;
  readonly membership: MembershipChanges;
}

/** Throws DataDamaged. */
export async function openStore(member: StoreMember, process: SimulatedProcess, clock: SkewedClock): Promise<OpenedStore> {
  const { options, observer, network, plant, peer, logger, known } = member.services;
  const random = new SeededRandom(network.loop.random.uint32());
  const data = await openData(plant.folder(member.disk.folder(process), member), clock, member.firstMembers);
  const transport = new SimulatedTransport({
    id: member.id,
    ...{ process, network, peer },
    backend: data.backend,
    ...{ clusterID, random, clock, logger, counts: member.counts },
    logBegin: () => data.memoryLog.firstIndex() - 1,
    onSent: (message) => observer.onMessageSent(member, message),
  });
  const replica = new Replica(
    {
      memberID: member.id,
      ...{ clusterID, heartbeatMs, electionTicks, maxRequestBytes },
      snapshotCount: options.snapshotCount,
      catchUpEntries: options.catchUpEntries,
      initialPeers: known(),
    },
    { clock, nextTurn: (run) => void process.after(0, run), random, logger, transport, ...data },
  );
  const leases = new LeaseKeeper(replica, transport, clock, logger, options.leaseCheckpointEverySeconds);
  // Not strict: that counts members that told their name, which real processes do. The operator has rules of its own.
  const membership = new MembershipChanges({
    ...{ replica, forwarder: transport, clock, logger },
    ...{ isStrict: false, learnersMax: 1 },
  });
  return { ...data, replica, transport, leases, membership };
}

export async function closeStore({ replica, transport, leases, log, backend }: OpenedStore): Promise<void> {
  leases.close();
  await replica.close();
  await transport.close();
  await log.close();
  await backend.close();
}

/** To be done before it starts. */
export function observeReplica(replica: Replica, member: StoreMember): void {
  const { observer } = member.services;
  const { node } = replica;
  const ready = node.ready.bind(node);
  node.ready = (): Ready => {
    const next = ready();
    observer.onReady(member, next);
    return next;
  };
  const propose = replica.propose.bind(replica);
  replica.propose = (command) => observer.whileProposing(member, command, () => propose(command));
  const proposeData = node.propose.bind(node);
  node.propose = (data) => {
    observer.onProposed(data);
    return proposeData(data);
  };
}
