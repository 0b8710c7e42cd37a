import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { ContainerRecord } from "../../core/runtime-state.js";
import { type LogRotationPorts, rotateLog } from "./log-rotation.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/lenj-rotation-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("sets large logs aside, compresses older ones, keeps as many as allowed and repairs a rotation cut short", async () => {
  const path = `${folder}/0.log`;
  const container = { id: "c", logPath: path } as ContainerRecord;
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const ports = {
    clock: { wallMs: () => nowMs },
    reopen: async () => writeFileSync(path, "new"),
    maxBytes: 10,
    maxFiles: 3,
  } as unknown as LogRotationPorts;
  const { signal } = new AbortController();
  await rotateLog(ports, container, signal);
  expect(readFileSync(path, "utf8")).toBe("new");
  for (let round = 0; round < 4; round += 1) {
    writeFileSync(path, "more than ten bytes");
    await rotateLog(ports, container, signal);
    nowMs += 1_000;
  }
  expect(readdirSync(folder).sort()).toEqual(["0.log", "0.log.20260101-000002.gz", "0.log.20260101-000003"]);
  writeFileSync(path, "more than ten bytes");
  await expect(rotateLog({ ...ports, reopen: () => Promise.reject(new Error("no")) }, container, signal)).rejects.toThrow("no");
  expect(existsSync(path)).toBe(true);
});
