import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, redirectConsole } from "./logging.js";

describe("createLogger()", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenj-logging-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("says what caused an error, also when causes go round in a ring", async () => {
    const file = join(folder, "log");
    const logger = createLogger({ component: "test", format: "json", level: "info", outputs: [file] });
    const cause = new Error("No space left on device");
    const error = new Error("Cannot write", { cause });
    cause.cause = error;
    logger.error("Failed", { error });
    const line = JSON.parse(readFileSync(file, "utf8")) as { readonly error: string };
    expect(line.error).toMatch(/^Error: Cannot write\n.*\[cause\]: Error: No space left on device\n/s);
    expect(line.error.split("[cause]")).toHaveLength(6);
  });

  it("takes what libraries print to the console", () => {
    const file = join(folder, "log");
    const before = { ...console };
    redirectConsole(createLogger({ component: "test", format: "json", level: "info", outputs: [file] }));
    try {
      const library: Console = console;
      library.error("E %s", "lost", { port: 1 });
    } finally {
      Object.assign(console, before);
    }
    const line = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    expect(line).toMatchObject({ level: "error", component: "test", message: "E lost { port: 1 }" });
  });
});
