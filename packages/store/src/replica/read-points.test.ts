import { SeededRandom } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { ReadPoints } from "./read-points.js";

describe("ReadPoints", () => {
  it("asks for reads that came during a round as soon as that is answered, with nothing else to wake it", async () => {
    const asked: Uint8Array[] = [];
    let hasWork = false;
    const node = { readIndex: (context: Uint8Array) => (asked.push(context), "accepted" as const) };
    const reads = new ReadPoints(
      () => node,
      new ManualClock(),
      new SeededRandom(1),
      5_000,
      () => {
        hasWork = true;
      },
    );
    const turn = (): void => {
      hasWork = false;
      reads.maybeAsk();
    };
    const first = reads.wait();
    turn();
    const second = reads.wait();
    const third = reads.wait();
    turn();
    expect(asked).toHaveLength(1);
    reads.onReadStates([{ index: 3, context: asked[0] as Uint8Array }]);
    reads.onApplied(3);
    await first;
    expect(hasWork).toBe(true);
    turn();
    expect(asked).toHaveLength(2);
    reads.onReadStates([{ index: 4, context: asked[1] as Uint8Array }]);
    reads.onApplied(4);
    await Promise.all([second, third]);
    reads.close(new Error("closed"));
  });
});
