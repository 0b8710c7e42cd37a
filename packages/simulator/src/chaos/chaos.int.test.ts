// Real processes under kill -9, SIGSTOP, broken links, full and frozen disks; `npm run chaos:store` runs it for longer.
import { runChaos } from "./run-chaos.js";

jest.setTimeout(300_000);

describe("real replicas under faults", () => {
  it.each([
    [3, 11],
    [5, 12],
  ])(
    "%i of them keep what they acknowledged, answer linearizably, and show watchers every revision once (seed %i)",
    async (replicas, seed) => {
      const faults: string[] = [];
      const result = await runChaos({ replicas, seconds: 20, seed, log: (line) => faults.push(line) });
      expect({ broken: result.broken, faults }).toEqual({ broken: [], faults });
      expect(result.acknowledged).toBeGreaterThan(0);
    },
  );

  it("keep the same when their disks are full or stand still, too", async () => {
    const faults: string[] = [];
    const result = await runChaos({ replicas: 3, seconds: 25, seed: 203, disks: true, log: (line) => faults.push(line) });
    expect({ broken: result.broken, faults }).toEqual({ broken: [], faults });
    expect(faults.some((line) => line.startsWith("fill"))).toBe(true);
    expect(faults.some((line) => line.startsWith("freeze"))).toBe(true);
    expect(result.roomless).toBeGreaterThan(0);
    expect(result.acknowledged).toBeGreaterThan(0);
  });
});
