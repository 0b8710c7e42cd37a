import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock, silentLogger } from "@lenj/base";
import { LevelDatabase } from "./level/level-database.js";
import { SpaceKeeper } from "./space-keeper.js";

const rowCount = 1_500;
const rowBytes = 48 * 1024;
const keyOf = (number: number): Buffer => Buffer.from(`k${String(number).padStart(8, "0")}`);

describe("SpaceKeeper", () => {
  const folder = mkdtempSync(join(tmpdir(), "lenj-space-"));
  let database: LevelDatabase;

  beforeAll(async () => {
    database = await LevelDatabase.open(folder, { writeBufferBytes: 4 * 1024 * 1024, cacheBytes: 1024 * 1024 });
    for (let from = 0; from < rowCount; from += 100)
      await database.write(
        Array.from({ length: 100 }, (_, at) => ({ type: "put" as const, key: keyOf(from + at), value: randomBytes(rowBytes) })),
      );
  });

  afterAll(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });

  it("leaves files alone that are in use, and gives back what is not, while rows are read", async () => {
    let usedBytes = rowCount * rowBytes;
    const keeper = new SpaceKeeper({ database }, () => usedBytes, new SystemClock(), silentLogger);
    await keeper.look();
    expect(keeper.rewrites).toBe(0);
    const dropped = rowCount - 10;
    await database.write(Array.from({ length: dropped }, (_, at) => ({ type: "del" as const, key: keyOf(at) })));
    usedBytes = 10 * rowBytes;
    const looking = keeper.look();
    for (let number = dropped; number < rowCount; number += 1) expect(database.get(keyOf(number))).toHaveLength(rowBytes);
    await looking;
    expect(keeper.rewrites).toBe(1);
    expect(await database.approximateSize(new Uint8Array(0), Uint8Array.of(0xff))).toBeLessThan(4 * 1024 * 1024);
    await keeper.look();
    expect(keeper.rewrites).toBe(1);
  });
});
