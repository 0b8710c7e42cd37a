// Programs for the launcher, read back from their bytes: 4 header words, then records of 9 words.
import { Program } from "./program.js";
import { syscallNumber } from "./syscall-table.js";

function records(image: Uint8Array): bigint[][] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const found: bigint[][] = [];
  for (let at = 32; at + 72 <= image.length; at += 72)
    found.push(Array.from({ length: 9 }, (_, word) => view.getBigUint64(at + word * 8, true)));
  return found;
}

describe("Program", () => {
  it("writes a call as its number, its arguments and where to go when it fails", () => {
    const program = new Program("x64");
    program.call("close", [7]);
    const [record] = records(program.assemble().image);
    expect(record?.slice(0, 3)).toEqual([BigInt(syscallNumber("x64", "close") as number), 7n, 0n]);
    expect(record?.[7]).toBe(0n);
  });

  it("numbers calls as the machine does", () => {
    expect(syscallNumber("x64", "execve")).toBe(59);
    expect(syscallNumber("arm64", "execve")).toBe(221);
    expect(syscallNumber("arm64", "fork")).toBeUndefined();
  });

  it("refuses a call that the machine does not have, and too many arguments", () => {
    expect(() => new Program("arm64").call("fork", [])).toThrow("No system call fork on arm64");
    expect(() => new Program("x64").call("close", [1, 2, 3, 4, 5, 6, 7])).toThrow("close has 7 arguments");
  });
});
