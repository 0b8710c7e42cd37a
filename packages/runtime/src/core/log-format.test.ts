import { formatTimestamp, LogFormatter, lineBytesMax } from "./log-format.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (lines: readonly Uint8Array[]): string => lines.map((line) => new TextDecoder().decode(line)).join("");

describe("LogFormatter", () => {
  it.each([
    [["a\nb\n"], "T stdout F a\nT stdout F b\n"],
    [["a", "b\n"], "T stdout F ab\n"],
    [["\n\n"], "T stdout F \nT stdout F \n"],
    [["a\r\n"], "T stdout F a\r\n"],
    [["no newline"], "T stdout P no newline\n"],
    [[""], ""],
  ])("writes %j", (chunks, expected) => {
    const formatter = new LogFormatter("stdout");
    const lines = chunks.flatMap((chunk) => formatter.push(bytes(chunk), "T"));
    expect(text([...lines, ...formatter.flush("T")])).toBe(expected);
  });

  it.each([
    [lineBytesMax, ["F"]],
    [lineBytesMax + 1, ["P", "F"]],
    [2 * lineBytesMax, ["P", "F"]],
    [2 * lineBytesMax + 5, ["P", "P", "F"]],
  ])("cuts a line of %i bytes", (size, tags) => {
    const lines = new LogFormatter("stderr").push(bytes(`${"x".repeat(size)}\n`), "T");
    expect(lines.map((line) => new TextDecoder().decode(line).split(" ")[2])).toEqual(tags);
    expect(lines.reduce((sum, line) => sum + line.length - bytes("T stderr F \n").length, 0)).toBe(size);
  });

  it("keeps what its caller reuses", () => {
    const formatter = new LogFormatter("stdout");
    const chunk = bytes("held");
    formatter.push(chunk, "T");
    chunk.fill(0);
    expect(text(formatter.push(bytes("\n"), "T"))).toBe("T stdout F held\n");
  });
});

it.each([
  [1_000_000_000n, "1970-01-01T00:00:01Z"],
  [1_500_000_000n, "1970-01-01T00:00:01.5Z"],
  [1_000_000_001n, "1970-01-01T00:00:01.000000001Z"],
])("%s ns print as %s, without trailing zeros", (nanoseconds, expected) => expect(formatTimestamp(nanoseconds)).toBe(expected));
