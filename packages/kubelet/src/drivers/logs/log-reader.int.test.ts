import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { LogOptions } from "../../core/logs/log-line.js";
import { readLog } from "./log-reader.js";

const all: LogOptions = {
  follow: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  stream: "All",
};
const line = (second: number, text: string, tag = "F"): string => `2026-01-01T00:00:0${second}.000000000Z stdout ${tag} ${text}\n`;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/lenj-log-`);
  path = `${folder}/0.log`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function read(options: Partial<LogOptions>, isRunning = () => false): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of readLog({ path, isRunning }, { ...all, ...options }, new AbortController().signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

it("reads all, the end, since a time and up to a size", async () => {
  writeFileSync(path, line(1, "one") + line(2, "tw", "P") + line(2, "o") + line(3, "three"));
  expect(await read({})).toBe("one\ntwo\nthree\n");
  expect(await read({ tailLines: 1 })).toBe("three\n");
  expect(await read({ tailLines: 0 })).toBe("");
  expect(await read({ tailLines: 99 })).toBe("one\ntwo\nthree\n");
  expect(await read({ sinceMs: Date.parse("2026-01-01T00:00:03Z") })).toBe("three\n");
  expect(await read({ limitBytes: 5 })).toBe("one\nt");
  expect(await read({ timestamps: true, tailLines: 3 })).toBe("2026-01-01T00:00:02.000000000Z two\n2026-01-01T00:00:03.000000000Z three\n");
});

it("finds the end of a log larger than its buffer", async () => {
  writeFileSync(path, Array.from({ length: 20_000 }, (_, position) => line(1, `entry ${position}`)).join(""));
  const text = await read({ tailLines: 3_000 });
  expect(text.split("\n")).toHaveLength(3_001);
  expect(text.startsWith("entry 17000\n")).toBe(true);
});

it("follows a log through its rotation until the container has ended", async () => {
  writeFileSync(path, line(1, "one"));
  let running = true;
  let seen = "";
  for await (const piece of readLog({ path, isRunning: () => running }, { ...all, follow: true }, new AbortController().signal)) {
    seen += piece.toString();
    if (seen === "one\n") {
      appendFileSync(path, line(2, "two"));
      renameSync(path, `${path}.1`);
      writeFileSync(path, line(3, "three"));
    }
    if (seen.endsWith("three\n")) running = false;
  }
  expect(seen).toBe("one\ntwo\nthree\n");
});

it("stops following when told to", async () => {
  writeFileSync(path, line(1, "one"));
  const abort = new AbortController();
  for await (const piece of readLog({ path, isRunning: () => true }, { ...all, follow: true }, abort.signal)) {
    expect(piece.toString()).toBe("one\n");
    abort.abort();
  }
});
