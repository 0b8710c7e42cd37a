// Changing the members of a real cluster: joining, promotion from anywhere, removal, and what is refused.
import { existsSync, readFileSync } from "node:fs";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(180_000);

const bytes = (text: string): Buffer => Buffer.from(text);
const { DowngradeRequest_DowngradeAction: DowngradeAction } = etcdserverpb;

/** Answers, or the text of the refusal. */
function asked<Request, Response>(
  method: (request: Request, callback: (error: ServiceError | null, response: Response) => void) => unknown,
  request: Request,
): Promise<Response | string> {
  return new Promise((resolve) => method(request, (error, response) => resolve(error === null ? response : error.details)));
}

describe("membership", () => {
  let cluster: StoreCluster;
  let client: EtcdClient;
  const clients: { close(): void }[] = [];

  const clusterAt = (url: string): etcdserverpb.ClusterClient => {
    const made = new etcdserverpb.ClusterClient(new URL(url).host, credentials.createInsecure());
    clients.push(made);
    return made;
  };
  const change = (url: string): Record<"add" | "remove" | "update" | "promote", (request: object) => Promise<unknown>> => {
    const at = clusterAt(url);
    return {
      add: (request) => asked(at.memberAdd.bind(at) as never, { peerURLs: [], isLearner: false, ...request }),
      remove: (request) => asked(at.memberRemove.bind(at) as never, request),
      update: (request) => asked(at.memberUpdate.bind(at) as never, { peerURLs: [], ...request }),
      promote: (request) => asked(at.memberPromote.bind(at) as never, request),
    };
  };
  const members = async (): Promise<Map<string, etcdserverpb.Member>> => {
    const { members: list } = await client.memberList();
    return new Map(list.map((member) => [cluster.addresses.find(({ peerURL }) => peerURL === member.peerURLs[0])?.name ?? "?", member]));
  };
  const idOf = async (name: string): Promise<bigint> => (await members()).get(name)?.ID ?? 0n;
  const leaderName = (): Promise<string> =>
    eventually(async () => {
      const { leader } = await client.status();
      return [...(await members())].find(([, { ID }]) => ID === leader)?.[0];
    });
  const join = (name: string, among: readonly string[]): void =>
    cluster.start(name, { members: among, flags: ["--initial-cluster-state", "existing"] });

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3, flags: ["--snapshot-count", "100"] });
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.put({ key: bytes("first"), value: bytes("1") }));
  });

  afterEach(async () => {
    for (const made of clients.splice(0)) made.close();
    await client.close();
    await cluster.close();
  });

  /** Retries while connections are too young to be trusted. */
  const whenHealthy = <T>(attempt: () => Promise<T | string>): Promise<T> =>
    eventually(async () => {
      const answer = await attempt();
      if (typeof answer === "string" && answer.includes("unhealthy cluster")) return undefined;
      if (typeof answer === "string") throw new Error(answer);
      return answer;
    });

  it("takes a learner in, promotes it when it has caught up, at whichever member that is asked, and replaces a member by it", async () => {
    const leader = await leaderName();
    const follower = cluster.addresses.find(({ name }) => name !== leader);
    if (follower === undefined) throw new Error("no follower");
    const { add, promote, remove, update } = change(follower.clientURL);
    const fourth = await cluster.reserve("s4");
    const added = (await whenHealthy(() => add({ peerURLs: [fourth.peerURL], isLearner: true }))) as etcdserverpb.MemberAddResponse;
    expect(added.member).toMatchObject({ isLearner: true, name: "", peerURLs: [fourth.peerURL] });
    expect(added.header?.revision).toBe(0);
    expect(await add({ peerURLs: ["http://127.0.0.1:1"], isLearner: true })).toBe("etcdserver: too many learner members in cluster");
    // An ID follows from addresses and the second: within one second it is the ID that is taken.
    expect(await add({ peerURLs: [fourth.peerURL] })).toMatch(/etcdserver: (Peer URLs already exists|member ID already exist)/);
    expect(await add({ peerURLs: ["127.0.0.1:1"] })).toBe("etcdserver: given member URLs are invalid");
    const id = added.member?.ID ?? 0n;
    expect(await promote({ ID: id })).toBe("etcdserver: can only promote a learner member which is in sync with leader");
    expect(await promote({ ID: 77n })).toBe("etcdserver: member not found");
    expect(await promote({ ID: await idOf(leader) })).toBe("etcdserver: can only promote a learner member");

    join("s4", ["s1", "s2", "s3", "s4"]);
    const promoted = await eventually(async () => {
      const answer = await promote({ ID: id });
      return typeof answer === "string" ? undefined : (answer as etcdserverpb.MemberPromoteResponse);
    });
    expect(promoted.members.find(({ ID }) => ID === id)?.isLearner).toBe(false);
    const alone = createEtcdClient({ endpoints: [fourth.clientURL] });
    expect((await eventually(() => alone.range({ key: bytes("first") }))).kvs[0]?.value.toString()).toBe("1");
    await alone.close();

    // The addresses change, the rest of the record does not.
    expect(await update({ ID: id, peerURLs: [follower.peerURL] })).toBe("etcdserver: Peer URLs already exists");
    const before = await eventually(async () => {
      const member = (await members()).get("s4");
      return member?.name === "s4" ? member : undefined;
    });
    await update({ ID: id, peerURLs: [fourth.peerURL, "http://127.0.0.1:1"] });
    expect((await members()).get("s4")).toEqual({ ...before, peerURLs: [fourth.peerURL, "http://127.0.0.1:1"] });

    const gone = await idOf(leader);
    await whenHealthy(() => remove({ ID: gone }));
    expect(await cluster.exitOf(leader)).toBe(1);
    expect(cluster.log(leader)).toContain("the member has been permanently removed from the cluster");
    expect(await remove({ ID: gone })).toBe("etcdserver: member not found");
    await eventually(() => client.put({ key: bytes("after"), value: bytes("2") }));
    expect([...(await members()).keys()].sort()).toEqual(["s1", "s2", "s3", "s4"].filter((name) => name !== leader));
  });

  it("tells a removed member that was away, when it comes back", async () => {
    const leader = await leaderName();
    const away = cluster.addresses.find(({ name }) => name !== leader);
    if (away === undefined) throw new Error("no follower");
    const id = await idOf(away.name);
    await cluster.signal(away.name, "SIGKILL");
    const leaderURL = cluster.addresses.find(({ name }) => name === leader)?.clientURL ?? "";
    await whenHealthy(() => change(leaderURL).remove({ ID: id }));
    cluster.start(away.name);
    expect(await cluster.exitOf(away.name)).toBe(1);
    expect(cluster.log(away.name)).toContain("the member has been permanently removed from the cluster");
  });

  it("takes a member that was away back under a leader that it has never heard of", async () => {
    const leader = await leaderName();
    const [away = "", other = ""] = cluster.addresses.map(({ name }) => name).filter((name) => name !== leader);
    const urlOf = (name: string): string => cluster.addresses.find((address) => address.name === name)?.clientURL ?? "";
    const { add, promote } = change(urlOf(other));
    const fourth = await cluster.reserve("s4");
    const added = await whenHealthy(async () => {
      // Stopped, it still counts as connected; killed then, it has not read of the change.
      await cluster.signal(away, "SIGSTOP");
      const answer = await add({ peerURLs: [fourth.peerURL], isLearner: true });
      await cluster.signal(away, typeof answer === "string" ? "SIGCONT" : "SIGKILL");
      return answer as etcdserverpb.MemberAddResponse | string;
    });
    join("s4", ["s1", "s2", "s3", "s4"]);
    await eventually(async () => (typeof (await promote({ ID: added.member?.ID ?? 0n })) === "string" ? undefined : true));
    await eventually(() => {
      const { code } = cluster.etcdctl(["move-leader", added.member?.ID.toString(16) ?? ""], { endpoints: [urlOf(leader)] });
      return Promise.resolve(code === 0 ? true : undefined);
    });
    // Its log ends before what the new leader sends first: only its own answer tells the leader where to begin.
    for (let number = 0; number < 5; number += 1) await eventually(() => client.put({ key: bytes("later"), value: bytes(`${number}`) }));

    cluster.start(away);
    const back = createEtcdClient({ endpoints: [urlOf(away)], callTimeoutMs: 2_000 });
    expect((await eventually(() => back.range({ key: bytes("later") }))).kvs[0]?.value.toString()).toBe("4");
    await back.close();
  });

  it("refuses what would cost the quorum, and a member that does not fit the cluster or lost its data", async () => {
    const leader = await leaderName();
    const leaderURL = cluster.addresses.find(({ name }) => name === leader)?.clientURL ?? "";
    const { add, remove } = change(leaderURL);
    const fourth = await cluster.reserve("s4");
    const fifth = await cluster.reserve("s5");
    await whenHealthy(() => add({ peerURLs: [fourth.peerURL] }));
    // Three of five have started: enough. With a sixth it would be three of six.
    await whenHealthy(() => add({ peerURLs: [fifth.peerURL] }));
    expect(await add({ peerURLs: ["http://127.0.0.1:1"] })).toBe("etcdserver: re-configuration failed due to not enough started members");
    const followers = cluster.addresses.slice(0, 3).filter(({ name }) => name !== leader);
    expect(await remove({ ID: await idOf(followers[0]?.name ?? "") })).toBe(
      "etcdserver: re-configuration failed due to not enough started members",
    );

    join("s4", ["s1", "s2", "s3", "s4"]);
    expect(await cluster.exitOf("s4")).toBe(1);
    expect(cluster.log("s4")).toMatch(/error validating peerURLs \{ClusterID:[0-9a-f]+ Members:\[&\{ID:.*: member count is unequal/);
    const lost = followers[0]?.name ?? "";
    await eventually(async () => ((await members()).get(lost)?.clientURLs.length === 1 ? true : undefined));
    await cluster.signal(lost, "SIGKILL");
    expect(existsSync(`${cluster.folder}/${lost}/member/identity.json`)).toBe(true);
    cluster.start(lost, { members: ["s1", "s2", "s3"], flags: ["--data-dir", `${cluster.folder}/empty`] });
    expect(await cluster.exitOf(lost)).toBe(1);
    expect(readFileSync(`${cluster.folder}/${lost}.log`, "utf8")).toContain("has already been bootstrapped");
  });

  it("answers Downgrade as etcd does, and says how far it is in Status and /version", async () => {
    const at = new etcdserverpb.MaintenanceClient(new URL(cluster.endpoints[0] ?? "").host, credentials.createInsecure());
    clients.push(at);
    const downgrade = async (action: number, version = ""): Promise<string> => {
      const answer = await asked<etcdserverpb.DowngradeRequest, etcdserverpb.DowngradeResponse>(at.downgrade.bind(at) as never, {
        action,
        version,
      });
      return typeof answer === "string" ? answer : answer.version;
    };
    const versions = async (): Promise<unknown> => (await fetch(`${cluster.endpoints[1]}/version`)).json();
    const become = (version: string): Promise<true> =>
      eventually(async () => (JSON.stringify(await versions()).includes(`"etcdcluster":"${version}"`) ? true : undefined));
    await become("3.6.0");
    expect(await downgrade(DowngradeAction.VALIDATE, "3.5")).toBe("3.6");
    expect(await downgrade(DowngradeAction.VALIDATE, "3.4")).toBe("etcdserver: invalid downgrade target version");
    expect(await downgrade(DowngradeAction.VALIDATE, "three")).toBe("etcdserver: wrong downgrade target version format");
    expect(await downgrade(DowngradeAction.ENABLE, "3.5.0")).toBe("3.6");
    await become("3.5.0");
    const status = await client.status();
    expect([status.downgradeInfo, status.storageVersion]).toEqual([{ enabled: true, targetVersion: "3.5.0" }, "3.5.0"]);
    expect(await downgrade(DowngradeAction.ENABLE, "3.4.0")).toBe("etcdserver: cluster has a downgrade job in progress");
    await downgrade(DowngradeAction.CANCEL);
    await become("3.6.0");
    expect((await client.status()).downgradeInfo).toEqual({ enabled: false, targetVersion: "" });
    expect(await downgrade(9)).toBe("etcdserver: unknown method");
  });
});
