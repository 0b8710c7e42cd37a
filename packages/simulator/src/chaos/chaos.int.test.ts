// Real processes under kill -9, SIGSTOP and broken links; `npm run chaos:store` runs it for longer.
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
});
