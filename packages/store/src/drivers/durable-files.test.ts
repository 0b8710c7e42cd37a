import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder, writeDurably } from "./durable-files.js";

describe("durable files", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenj-durable-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("are written whole, for their owner only, and leave nothing beside them", () => {
    const file = join(folder, "file");
    writeDurably(file, "a longer text\n");
    writeDurably(file, "short\n");
    expect(readFileSync(file, "utf8")).toBe("short\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("may be in folders that are made for them, however deep", () => {
    const deep = join(folder, "a", "b", "c");
    makeFolder(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o700);
    makeFolder(deep);
    mkdirSync(join(folder, "open"), { mode: 0o755 });
    makeFolder(join(folder, "open"));
    expect(statSync(join(folder, "open")).mode & 0o777).toBe(0o755);
  });
});
