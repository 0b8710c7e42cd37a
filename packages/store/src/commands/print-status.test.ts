import { formatStatus } from "./print-status.js";

describe("formatStatus()", () => {
  it("draws the table that etcdctl draws, also round a hash that begins with a zero", () => {
    const status = { hash: 0x5d2a7db, revision: 128, totalKey: 134, totalSize: 508_000 };
    expect(formatStatus(status, "table")).toBe(
      [
        "+---------+----------+------------+------------+",
        "|  HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |",
        "+---------+----------+------------+------------+",
        "| 5d2a7db |      128 |        134 |     508 kB |",
        "+---------+----------+------------+------------+",
      ].join("\n"),
    );
  });
});
