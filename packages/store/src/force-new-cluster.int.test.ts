// A member whose cluster has lost its quorum for good goes on alone, with real processes.
import { SystemClock, silentLogger } from "@lenj/base";
import { encodeConfChange } from "@lenj/raft";
import { encodeCommand } from "./core/command.js";
import { levelFolder } from "./drivers/level/level-folder.js";
import { LevelLog } from "./drivers/level/level-log.js";
import { forceNewCluster } from "./force-new-cluster.js";
import { readIdentity } from "./identity.js";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(180_000);

const flags = ["--force-new-cluster"];
const keys = 20;

describe("--force-new-cluster", () => {
  let cluster: StoreCluster;
  let endpoints: string[];
  let dataDir: string;
  let id: string;

  const etcdctl = (...args: string[]): string => {
    const { code, stdout, stderr } = cluster.etcdctl(args, { endpoints });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  const served = (...args: string[]): Promise<string> => eventually(() => Promise.resolve(etcdctl(...args)));
  const keysSeen = (consistency: "s" | "l"): number =>
    etcdctl("get", "--consistency", consistency, "--prefix", "k", "--keys-only")
      .split("\n")
      .filter((line) => line !== "").length;
  const identity = (): { memberID: bigint; clusterID: bigint } => {
    const found = readIdentity(`${dataDir}/member`);
    if (found === undefined) throw new Error("no identity");
    return found;
  };
  const force = (): Promise<void> =>
    forceNewCluster(
      {
        clock: new SystemClock(),
        logger: silentLogger,
        config: { name: "s1", dataDir, initialMembers: [] },
      },
      identity(),
    );
  /** Alone under its old ID, with all that was acknowledged, and writable. */
  const expectAlone = async (): Promise<void> => {
    await served("put", "after", "1");
    await eventually(() => Promise.resolve(etcdctl("member", "list").trim().split("\n").length === 1 ? true : undefined));
    expect(etcdctl("member", "list")).toMatch(new RegExp(`^${id}, started, s1, `));
    expect(keysSeen("l")).toBe(keys);
  };

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await cluster.becomeHealthy();
    endpoints = cluster.endpoints.slice(0, 1);
    dataDir = `${cluster.folder}/s1`;
    id = identity().memberID.toString(16);
    for (let number = 0; number < keys; number += 1) etcdctl("put", `k${number}`, "v");
    // In this member's log: it may be the one that was not needed.
    await eventually(() => Promise.resolve(keysSeen("s") === keys ? true : undefined));
    await Promise.all(cluster.addresses.map(({ name }) => cluster.signal(name, "SIGKILL")));
  });

  afterEach(() => cluster.close());

  it("starts a member alone with what it had, as often as it is asked to, and lets new members join", async () => {
    cluster.start("s1", { flags });
    await expectAlone();
    await cluster.signal("s1", "SIGKILL");
    cluster.start("s1", { flags });
    await expectAlone();
    // What it says is read by this process, which running etcdctl has held up.
    await eventually(() => Promise.resolve(cluster.log("s1").includes("This member is the only one already") ? true : undefined));

    const joining = await cluster.reserve("s4");
    const added = /Member\s+([0-9a-f]+) added/.exec(await served("member", "add", "s4", "--learner", "--peer-urls", joining.peerURL))?.[1];
    cluster.start("s4", { members: ["s1", "s4"], flags: ["--initial-cluster-state", "existing"] });
    await served("member", "promote", added ?? "");
    endpoints = [joining.clientURL];
    expect(await served("get", "after")).toBe("after\n1\n");
  });

  it.each([["with the flag"], ["without the flag"]])(
    "is finished by a start %s when a crash came after the log was written",
    async (how) => {
      await force();
      cluster.start("s1", { flags: how === "with the flag" ? flags : [] });
      await expectAlone();
    },
  );

  it("keeps what may not have been committed, and leaves a joint configuration", async () => {
    const { memberID } = identity();
    const other = readIdentity(`${cluster.folder}/s2/member`)?.memberID ?? 0n;
    const { log, stored } = await LevelLog.open(await levelFolder(`${dataDir}/member`).open("log"));
    const hardState = stored?.hardState ?? { term: 0, vote: 0n, commit: 0 };
    const { term } = hardState;
    const first = log.lastIndex + 1;
    const enter = encodeConfChange({
      transition: "jointExplicit",
      changes: [{ type: "remove", memberID: other }],
      context: new Uint8Array(0),
    });
    const put = { key: Buffer.from("last"), value: Buffer.from("1"), lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    await log.append([
      {
        hardState: { ...hardState, commit: first - 1 },
        entries: [
          { term, index: first, type: "confChange", data: enter },
          { term, index: first + 1, type: "normal", data: encodeCommand(memberID, 1, { put }) },
        ],
      },
    ]);
    await log.close();
    cluster.start("s1", { flags });
    await expectAlone();
    expect(etcdctl("get", "last")).toBe("last\n1\n");
  });
});
