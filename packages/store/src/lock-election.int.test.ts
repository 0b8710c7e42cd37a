// Locks and elections at real members: the server-side services by bare gRPC, the client-side ones of Debian's etcdctl.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type ClientUnaryCall, credentials, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb, v3electionpb, v3lockpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const bytes = (text: string): Buffer => Buffer.from(text);

interface Call<Response> {
  readonly answer: Promise<Response>;
  readonly cancel: () => void;
}

function start<Request, Response>(
  method: (request: Request, callback: (error: ServiceError | null, response: Response) => void) => ClientUnaryCall,
  request: Request,
): Call<Response> {
  let call: ClientUnaryCall | undefined;
  const answer = new Promise<Response>((resolve, reject) => {
    call = method(request, (error, response) => (error === null ? resolve(response) : reject(new Error(error.details))));
  });
  // Failures are looked at by whoever awaits; one that comes earlier is no stray rejection.
  answer.catch(() => {});
  return { answer, cancel: () => call?.cancel() };
}

describe("locks and elections", () => {
  let cluster: StoreCluster;
  let locks: v3lockpb.LockClient[];
  let elections: v3electionpb.ElectionClient[];
  let kv: etcdserverpb.KVClient;
  let lease: etcdserverpb.LeaseClient;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await cluster.becomeHealthy();
    const hosts = cluster.endpoints.map((url) => new URL(url).host);
    locks = hosts.map((host) => new v3lockpb.LockClient(host, credentials.createInsecure()));
    elections = hosts.map((host) => new v3electionpb.ElectionClient(host, credentials.createInsecure()));
    kv = new etcdserverpb.KVClient(hosts[0] ?? "", credentials.createInsecure());
    lease = new etcdserverpb.LeaseClient(hosts[0] ?? "", credentials.createInsecure());
  });

  afterAll(async () => {
    for (const client of [...locks, ...elections, kv, lease]) client.close();
    await cluster.close();
  });

  const at = <T>(clients: readonly T[], position: number): T => clients[position % clients.length] as T;
  const lock = (member: number, name: string, id = 0n): Call<v3lockpb.LockResponse> => {
    const client = at(locks, member);
    return start(client.lock.bind(client) as never, { name: bytes(name), lease: id });
  };
  const unlock = (member: number, key: Buffer): Promise<v3lockpb.UnlockResponse> => {
    const client = at(locks, member);
    return start<v3lockpb.UnlockRequest, v3lockpb.UnlockResponse>(client.unlock.bind(client) as never, { key }).answer;
  };
  const keysUnder = async (prefix: string): Promise<string[]> => {
    const request = etcdserverpb.RangeRequest.fromPartial({ key: bytes(`${prefix}/`), rangeEnd: bytes(`${prefix}0`) });
    const answer = await start<etcdserverpb.RangeRequest, etcdserverpb.RangeResponse>(kv.range.bind(kv) as never, request).answer;
    return answer.kvs.map(({ key }) => key.toString());
  };
  const waiting = (prefix: string, count: number): Promise<true> =>
    eventually(async () => ((await keysUnder(prefix)).length === count ? true : undefined));
  const grant = async (TTL: number): Promise<bigint> =>
    (
      await start<etcdserverpb.LeaseGrantRequest, etcdserverpb.LeaseGrantResponse>(lease.leaseGrant.bind(lease) as never, { TTL, ID: 0n })
        .answer
    ).ID;
  const revoke = (ID: bigint): Promise<unknown> => start(lease.leaseRevoke.bind(lease) as never, { ID }).answer;

  it("give a lock to one client at a time, in the order of their asking", async () => {
    const first = await lock(0, "mutex").answer;
    expect(first.key.toString()).toMatch(/^mutex\/[0-9a-f]+$/);
    const order: number[] = [];
    const later: Promise<void>[] = [];
    for (let number = 1; number <= 4; number += 1) {
      const asked = lock(number, "mutex");
      later.push(
        asked.answer.then(async ({ key }) => {
          order.push(number);
          await unlock(number + 1, key);
        }),
      );
      await waiting("mutex", number + 1);
    }
    expect(order).toEqual([]);
    await unlock(1, first.key);
    await Promise.all(later);
    expect(order).toEqual([1, 2, 3, 4]);
    expect(await keysUnder("mutex")).toEqual([]);
  });

  it("give the same lease its lock again, and refuse one that is gone", async () => {
    const id = await grant(60);
    const { key } = await lock(0, "again", id).answer;
    expect(key.toString()).toBe(`again/${id.toString(16)}`);
    expect((await lock(1, "again", id).answer).key).toEqual(key);
    await expect(lock(0, "again", 12345n).answer).rejects.toThrow("etcdserver: requested lease not found");
    await unlock(0, key);
  });

  it("take a client that gives up out of the queue", async () => {
    const { key } = await lock(0, "patience").answer;
    const impatient = lock(1, "patience");
    await waiting("patience", 2);
    impatient.cancel();
    await waiting("patience", 1);
    expect(await keysUnder("patience")).toEqual([key.toString()]);
    await unlock(0, key);
  });

  it("do not give a lock to a client whose lease ran out while it waited (etcd issue 11456)", async () => {
    const { key } = await lock(0, "expiry").answer;
    const id = await grant(60);
    const late = lock(1, "expiry", id);
    await waiting("expiry", 2);
    await revoke(id);
    await waiting("expiry", 1);
    await unlock(0, key);
    await expect(late.answer).rejects.toThrow("mutex: session is expired");
  });

  it("elect one leader at a time, and tell observers of each", async () => {
    const [first, second] = [at(elections, 0), at(elections, 1)];
    const campaign = (client: v3electionpb.ElectionClient, value: string): Call<v3electionpb.CampaignResponse> =>
      start(client.campaign.bind(client) as never, { name: bytes("election"), lease: 0n, value: bytes(value) });
    const leader = (): Promise<v3electionpb.LeaderResponse> =>
      start<v3electionpb.LeaderRequest, v3electionpb.LeaderResponse>(second.leader.bind(second) as never, { name: bytes("election") })
        .answer;
    await expect(leader()).rejects.toThrow("election: no leader");

    const seen: string[] = [];
    const observer = at(elections, 2).observe({ name: bytes("election") });
    observer.on("data", ({ kv: found }: v3electionpb.LeaderResponse) => seen.push(found?.value.toString() ?? ""));
    observer.on("error", () => {});
    const sees = (...values: string[]): Promise<true> =>
      eventually(() => Promise.resolve(seen.join() === values.join() ? true : undefined));

    const { leader: key } = await campaign(first, "one").answer;
    if (key === undefined) throw new Error("no leader key");
    await sees("one");
    expect((await leader()).kv?.value.toString()).toBe("one");
    const challenger = campaign(second, "two");
    await waiting("election", 2);
    const proclaim = (value: string): Promise<unknown> =>
      start(first.proclaim.bind(first) as never, { leader: key, value: bytes(value) }).answer;
    await proclaim("one again");
    await sees("one", "one again");
    await start(first.resign.bind(first) as never, { leader: key }).answer;
    const successor = await challenger.answer;
    await sees("one", "one again", "two");
    await expect(proclaim("late")).rejects.toThrow("election: not leader");
    await expect(start(first.resign.bind(first) as never, {}).answer).rejects.toThrow('"leader" field must be provided');
    await start(second.resign.bind(second) as never, { leader: successor.leader }).answer;
    await campaign(first, "three").answer;
    await sees("one", "one again", "two", "three");
    observer.cancel();
  });

  it("work for etcdctl, which waits by itself", async () => {
    const etcdctl = (...args: string[]): { process: ChildProcess; text: () => string } => {
      const child = spawn("etcdctl", ["--endpoints", new URL(cluster.endpoints[0] ?? "").host, ...args], {
        env: { ...process.env, ETCDCTL_API: "3" },
      });
      let text = "";
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      return { process: child, text: () => text };
    };
    const ended = async ({ process: child }: { process: ChildProcess }): Promise<void> => {
      child.kill("SIGINT");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    };
    const says = (command: { text: () => string }, pattern: RegExp): Promise<true> =>
      eventually(() => Promise.resolve(pattern.test(command.text()) ? true : undefined));

    const holder = etcdctl("lock", "ctl");
    await says(holder, /^ctl\/[0-9a-f]+\n/);
    const next = etcdctl("lock", "ctl");
    await waiting("ctl", 2);
    expect(next.text()).toBe("");
    await ended(holder);
    await says(next, /^ctl\/[0-9a-f]+\n/);
    await ended(next);

    const elected = etcdctl("elect", "ctl-election", "me");
    await says(elected, /^ctl-election\/[0-9a-f]+\nme\n/);
    const listener = etcdctl("elect", "-l", "ctl-election");
    await says(listener, /me\n/);
    await ended(listener);
    await ended(elected);
    await waiting("ctl-election", 0);
  });
});
