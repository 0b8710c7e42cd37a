import { type HashReport, judgeHashes } from "./compare-hashes.js";

const report = (memberID: bigint, hash: number, hashRevision = 10, compactRevision = 2): HashReport => ({
  memberID,
  hash,
  hashRevision,
  compactRevision,
});

describe("judgeHashes", () => {
  it("finds nothing among equals", () => {
    expect(judgeHashes(report(1n, 7), [report(2n, 7), report(3n, 7)], 3)).toEqual({
      differing: [],
      agreeing: [1n, 2n, 3n],
      majority: report(1n, 7),
    });
  });

  it("names the member that differs from the majority", () => {
    expect(judgeHashes(report(1n, 7), [report(2n, 8), report(3n, 7)], 3)).toEqual({
      differing: [2n],
      agreeing: [1n, 3n],
      majority: report(1n, 7),
    });
  });

  it("names the asking leader when the others agree", () => {
    expect(judgeHashes(report(1n, 7), [report(2n, 8), report(3n, 8)], 3)).toEqual({
      differing: [1n],
      agreeing: [2n, 3n],
      majority: report(2n, 8),
    });
  });

  it("calls nobody right without a majority of the whole cluster", () => {
    expect(judgeHashes(report(1n, 7), [report(2n, 8)], 2)).toEqual({ differing: [2n], agreeing: [], majority: undefined });
    expect(judgeHashes(report(1n, 7), [report(2n, 8), report(3n, 7)], 5)).toEqual({ differing: [2n], agreeing: [], majority: undefined });
    expect(judgeHashes(report(1n, 7), [report(2n, 8), report(3n, 9)], 3)).toEqual({
      differing: [2n, 3n],
      agreeing: [],
      majority: undefined,
    });
  });

  it("leaves out hashes of other revisions", () => {
    expect(judgeHashes(report(1n, 7), [report(2n, 8, 11), report(3n, 8, 10, 3)], 3)).toEqual({
      differing: [],
      agreeing: [],
      majority: undefined,
    });
  });
});
