// Damage to one member of three real ones: found, named, and mended by the leader's state; or refused where mending would not be safe.
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { LevelDatabase } from "./drivers/level/level-database.js";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(180_000);

const bytes = (text: string): Buffer => Buffer.from(text);

interface Status {
  readonly leader: bigint;
  readonly id: bigint;
}

describe("damage to one of three members", () => {
  let cluster: StoreCluster;
  let client: EtcdClient;

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3, flags: ["--corrupt-check-time", "1s"] });
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.put({ key: bytes("warm"), value: bytes("up") }));
  });

  afterEach(async () => {
    await client.close();
    await cluster.close();
  });

  const urlOf = (name: string): string => cluster.addresses.find((address) => address.name === name)?.clientURL ?? "";

  async function statusOf(name: string): Promise<Status> {
    const status = await client.status({ endpoint: urlOf(name), timeoutMs: 1_000 });
    return { leader: status.leader, id: status.header?.memberId ?? 0n };
  }

  async function pickMember(role: "leader" | "follower"): Promise<string> {
    return eventually(async () => {
      for (const { name } of cluster.addresses) {
        const { leader, id } = await statusOf(name);
        if (leader !== 0n && (leader === id) === (role === "leader")) return name;
      }
      return undefined;
    });
  }

  async function edit(name: string, part: "state" | "log", change: (database: LevelDatabase) => Promise<void>): Promise<void> {
    const options = { writeBufferBytes: 1024 * 1024, cacheBytes: 1024 * 1024 };
    const database = await LevelDatabase.open(`${cluster.folder}/${name}/member/${part}`, options);
    try {
      await change(database);
    } finally {
      await database.close();
    }
  }

  /** No alarm, and the same data everywhere by hash. */
  async function expectMended(): Promise<void> {
    await eventually(async () => {
      await Promise.resolve();
      if (cluster.etcdctl(["alarm", "list"]).stdout !== "") return undefined;
      const hashes = cluster.endpoints.map(
        (endpoint) => /"Hash" : (\d+)/.exec(cluster.etcdctl(["endpoint", "hashkv", "-w", "fields"], { endpoints: [endpoint] }).stdout)?.[1],
      );
      return hashes[0] !== undefined && hashes.every((hash) => hash === hashes[0]) ? true : undefined;
    }, 60_000);
  }

  const expectLogged = (name: string, text: string): Promise<true> =>
    eventually(async () => {
      await Promise.resolve();
      return cluster.log(name).includes(text) ? true : undefined;
    }, 60_000);

  it.each(["follower", "leader"] as const)("by data that differs: a former %s is named, quarantined and refilled", async (role) => {
    for (let number = 0; number < 20; number += 1) await client.put({ key: bytes(`k${number}`), value: bytes("value-that-is-right") });
    const damaged = await pickMember(role);
    await cluster.signal(damaged, "SIGTERM");
    await edit(damaged, "state", async (database) => {
      for await (const rows of database.rows(bytes("k"), bytes("l"))) {
        for (const [key, value] of rows) {
          const at = value.indexOf("value-that-is-right");
          if (at < 0) continue;
          const changed = Buffer.from(value);
          changed.write("VALUE", at);
          await database.write([{ type: "put", key, value: changed }]);
          return;
        }
      }
      throw new Error("no row to change");
    });
    cluster.start(damaged);
    await expectLogged(damaged, "Back from quarantine");
    expect(cluster.addresses.some(({ name }) => cluster.log(name).includes("Found data inconsistency between members"))).toBe(true);
    await expectMended();
    await eventually(() => client.put({ key: bytes("after"), value: bytes("ok") }));
  });

  it("by a flipped bit under a running member: the read finds it, and the member comes back with the leader's state", async () => {
    const value = randomBytes(2_000);
    await client.put({ key: bytes("flipped"), value });
    const damaged = await pickMember("follower");
    // A restart moves what is in LevelDB's log to a table file.
    await cluster.signal(damaged, "SIGTERM");
    cluster.start(damaged);
    const own = createEtcdClient({ endpoints: [urlOf(damaged)] });
    try {
      await eventually(() => own.status({ endpoint: urlOf(damaged), timeoutMs: 1_000 }));
      const folder = `${cluster.folder}/${damaged}/member/state`;
      const flips = readdirSync(folder)
        .filter((file) => file.endsWith(".ldb"))
        .filter((file) => {
          const at = readFileSync(`${folder}/${file}`).indexOf(value);
          if (at < 0) return false;
          const handle = openSync(`${folder}/${file}`, "r+");
          writeSync(handle, Buffer.of((value[700] ?? 0) ^ 0x10), 0, 1, at + 700);
          closeSync(handle);
          return true;
        });
      expect(flips).toHaveLength(1);
      await expectLogged(damaged, "checksum does not match");
      await expectLogged(damaged, "Back from quarantine");
      const found = await eventually(() => own.range({ key: bytes("flipped"), serializable: true }));
      expect(found.kvs[0]?.value).toEqual(value);
      await expectMended();
    } finally {
      await own.close();
    }
  });

  it("by a row that cannot be read at a start: the member takes the leader's state instead of failing", async () => {
    await client.put({ key: bytes("k"), value: bytes("v") });
    const damaged = await pickMember("follower");
    await cluster.signal(damaged, "SIGKILL");
    await client.put({ key: bytes("k"), value: bytes("w") });
    // As if the group before the last one had been lost.
    await edit(damaged, "state", async (database) => {
      const marks: Buffer[] = [];
      for await (const rows of database.rows(bytes("g"), bytes("h"))) marks.push(...rows.map(([key]) => key));
      const mark = Buffer.from(marks.at(-1) as Buffer);
      mark.writeBigUInt64BE(mark.readBigUInt64BE(1) + 2n, 1);
      await database.write([{ type: "put", key: mark, value: Buffer.alloc(0) }]);
    });
    cluster.start(damaged);
    await expectLogged(damaged, "of its writes is missing");
    await expectLogged(damaged, "Back from quarantine");
    await expectMended();
  });

  it("to its raft log: it refuses to start, says why and what to do, and the others go on", async () => {
    await client.put({ key: bytes("k"), value: bytes("v") });
    const damaged = await pickMember("follower");
    await cluster.signal(damaged, "SIGKILL");
    await edit(damaged, "log", async (database) => {
      const entries: Buffer[] = [];
      for await (const rows of database.rows(bytes("e"), bytes("f"))) entries.push(...rows.map(([key]) => key));
      await database.write([{ type: "del", key: entries.at(-2) as Buffer }]);
    });
    cluster.start(damaged);
    await expectLogged(damaged, "lenj-store member replace");
    expect(cluster.log(damaged)).toMatch(/log entry \d+ is missing/);
    await client.put({ key: bytes("k"), value: bytes("w") });
  });
});
