import { spawnSync } from "node:child_process";
import { runDifferential } from "./differential/run.js";

const hasEtcd = spawnSync("etcd", ["--version"]).status === 0;

(hasEtcd ? describe : describe.skip)("store against Debian's etcd", () => {
  it("answers the same random requests with the same fields and error texts", async () => {
    const seed = Number(process.env["LENJ_SEED"] ?? 1);
    const report = await runDifferential({ requests: 3_000, seed, lanes: 1, differencesMax: 0 });
    expect(report.differences).toEqual([]);
    expect(report.requests).toBe(3_000);
  }, 180_000);
});
