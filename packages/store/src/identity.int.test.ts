import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readIdentity, writeIdentity } from "./identity.js";

describe("the layout version of a member's folder", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenj-identity-"));
    writeIdentity(folder, { memberID: 0xabn, clusterID: 0xcdn });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is written and read by this program", () => {
    expect(readIdentity(folder)).toEqual({ memberID: 0xabn, clusterID: 0xcdn });
  });

  it.each([1, 99])("refuses version %i, older or newer, and says what was found where", (version) => {
    const file = join(folder, "identity.json");
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), layoutVersion: version }));
    expect(() => readIdentity(folder)).toThrow(`Cannot use ${folder}: its layout is version ${version}, this program reads 2`);
  });
});
