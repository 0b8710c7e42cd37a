import { planEviction } from "./plan.js";

const nowMs = Date.UTC(2026, 0, 1);
const taint = { key: "node.kubernetes.io/unreachable", effect: "NoExecute", timeAdded: "2026-01-01T00:00:00Z" } as const;

describe("planEviction()", () => {
  it("evicts at once what tolerates nothing", () => expect(planEviction([], [taint], nowMs)).toBe(0));
  it("lets stay what tolerates without end", () => expect(planEviction([{ operator: "Exists" }], [taint], nowMs)).toBeUndefined());
  it("waits for the shortest of the matching tolerations, from when the taint was added", () => {
    const tolerations = [300, 30].map((tolerationSeconds) => ({
      key: taint.key,
      operator: "Exists" as const,
      effect: "NoExecute" as const,
      tolerationSeconds,
    }));
    expect(planEviction(tolerations, [taint], nowMs + 10_000)).toBe(20_000);
    expect(planEviction(tolerations, [taint], nowMs + 60_000)).toBe(0);
  });
  it("does not care for other effects", () => expect(planEviction([], [{ ...taint, effect: "NoSchedule" }], nowMs)).toBeUndefined());
});
