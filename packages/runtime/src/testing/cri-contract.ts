// What every runtime behind the CRI owes a kubelet, asked over a real socket about real containers.
// Source: cri-api's api.proto and the cases of cri-tools' validation suite.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeContainers } from "./contract/containers.js";
import { ContractNode } from "./contract/contract-node.js";
import { describeImages } from "./contract/images.js";
import { describeProcesses } from "./contract/processes.js";
import { describeSandboxes } from "./contract/sandboxes.js";
import { busyboxImage, type ContractImages, pauseImage } from "./contract-images.js";
import { call } from "./cri-client.js";
import { createTestNode, type RuntimeStarter } from "./node-harness.js";

export interface CRIContractFactory {
  readonly starter: RuntimeStarter;
  /** ListImages answers with all images whatever is asked. */
  readonly ignoresImageFilter?: boolean;
  /** What a container wrote while no runtime ran is lost when it ended in that time. */
  readonly losesLastWords?: boolean;
}

/** Needs root, namespaces and busybox. `name`: of the runtime, for the test's title. */
export function runCRIContract(name: string, factory: CRIContractFactory): void {
  describe(`${name} behind the CRI`, () => {
    let node: ContractNode;
    let registry: ChildProcess;
    beforeAll(async () => {
      const place = await createTestNode(factory.starter);
      const served = await startRegistry(place.enter);
      registry = served.process;
      await place.startRuntime();
      node = new ContractNode(place, served.images);
      await node.untilReady();
      for (const image of [busyboxImage, pauseImage])
        await call(node.client.images, node.client.images.pullImage, {
          image: { image, annotations: {}, userSpecifiedImage: "", runtimeHandler: "" },
          auth: undefined,
          sandboxConfig: undefined,
        });
    }, 120_000);
    afterEach(async () => {
      await node.removeAll();
    }, 60_000);
    afterAll(async () => {
      const parents = readdirSync("/sys/fs/cgroup").map((controller) => join("/sys/fs/cgroup", controller, node.place.cgroupParent));
      node.close();
      registry.stdin?.end();
      await node.place.close();
      for (const parent of parents) if (existsSync(parent)) rmdirSync(parent);
    }, 60_000);
    describeSandboxes(() => node);
    describeContainers(() => node, factory.losesLastWords ?? false);
    describeProcesses(() => node);
    describeImages(() => node, factory.ignoresImageFilter ?? false);
  });
}

function startRegistry(enter: readonly string[]): Promise<{ process: ChildProcess; images: ContractImages }> {
  const [program = "", ...args] = enter;
  const main = fileURLToPath(new URL("./registry-process.js", import.meta.url));
  const child = spawn(program, [...args, process.execPath, main], { stdio: ["pipe", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve({ process: child, images: JSON.parse(text) as ContractImages });
    });
    child.once("exit", (code) => reject(new Error(`The registry ended with ${code}`)));
  });
}
