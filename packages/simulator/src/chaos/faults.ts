// What befalls the members: one fault after the other, each mended before the next.
import type { Random } from "@lenj/base";
import { leaderName } from "@lenj/store/testing";
import type { Members } from "./members.js";

const quietMs = 1_000;
const linkFaults = ["cut", "stalled", "halfClosed"] as const;
const processKinds = ["kill", "killLeader", "killAll", "pause", "pauseLeader", "link"] as const;
const diskKinds = ["fill", "fillLeader", "fillAll", "freeze", "freezeLeader"] as const;
type FaultKind = (typeof processKinds)[number] | (typeof diskKinds)[number];
/** A few writes: a slow machine makes no more of them while it lasts. */
const roomLeftBytes = { min: 8 * 1024, span: 16 * 1024 };

interface Fault {
  /** As it is logged. */
  readonly name: string;
  /** Disk faults take their time to be noticed. */
  readonly lastsLonger?: boolean;
  begin(victim: string): void | Promise<void>;
  end(victim: string): void | Promise<void>;
}

/** Goes on for `seconds`. Returns how many there were. */
export async function injectFaults(
  members: Members,
  random: Random,
  { seconds, log }: { readonly seconds: number; readonly log: (line: string) => void },
): Promise<number> {
  const endMs = performance.now() + seconds * 1_000;
  const kinds: readonly FaultKind[] = members.hasDisks ? [...processKinds, ...diskKinds] : processKinds;
  const { names } = members;
  let count = 0;
  for (; performance.now() < endMs; count += 1) {
    const kind = kinds[random.below(kinds.length)] as FaultKind;
    const leader = kind.endsWith("Leader") ? await leaderName(members.cluster) : undefined;
    const victims = kind.endsWith("All") ? names : [leader ?? (names[random.below(names.length)] as string)];
    const fault = faultOf(kind, members, random);
    const lastMs = 500 + random.below(fault.lastsLonger === true ? 5_000 : 2_500);
    log(`${kind}${fault.name === kind ? "" : ` ${fault.name}`} ${victims.join(" ")} for ${lastMs} ms`);
    await Promise.all(victims.map((victim) => fault.begin(victim)));
    await sleep(lastMs);
    await Promise.all(victims.map((victim) => fault.end(victim)));
    await sleep(quietMs);
  }
  return count;
}

function faultOf(kind: FaultKind, members: Members, random: Random): Fault {
  const { cluster } = members;
  switch (kind) {
    case "kill":
    case "killLeader":
    case "killAll":
      return { name: kind, begin: (victim) => cluster.signal(victim, "SIGKILL"), end: (victim) => members.start(victim) };
    case "pause":
    case "pauseLeader":
      return { name: kind, begin: (victim) => cluster.signal(victim, "SIGSTOP"), end: (victim) => cluster.signal(victim, "SIGCONT") };
    case "link": {
      const link = linkFaults[random.below(linkFaults.length)] as (typeof linkFaults)[number];
      return { name: link, begin: (victim) => members.relay(victim).set(link), end: (victim) => members.relay(victim).set(undefined) };
    }
    case "fill":
    case "fillLeader":
    case "fillAll": {
      const leftBytes = roomLeftBytes.min + random.below(roomLeftBytes.span);
      return {
        name: `to ${leftBytes} bytes`,
        lastsLonger: true,
        begin: (victim) => members.disk(victim).fill(leftBytes),
        end: (victim) => members.disk(victim).makeRoom(),
      };
    }
    case "freeze":
    case "freezeLeader":
      return {
        name: kind,
        lastsLonger: true,
        begin: (victim) => members.disk(victim).freeze(),
        end: (victim) => members.disk(victim).thaw(),
      };
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
