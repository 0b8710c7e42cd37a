import { existsSync } from "node:fs";
import { busyboxPath } from "./testing/busybox-image.js";
import { startContainerd } from "./testing/containerd.js";
import { runCRIContract } from "./testing/cri-contract.js";
import { startLenjRuntime } from "./testing/node-harness.js";

// Whole containers on a machine that has other things to do.
jest.setTimeout(60_000);

const hasRights = process.geteuid?.() === 0 && busyboxPath !== undefined;
const hasContainerd = ["/usr/bin/containerd", "/usr/sbin/runc", "/usr/lib/cni/bridge"].every((path) => existsSync(path));

if (hasRights) runCRIContract("the embedded runtime", { starter: startLenjRuntime() });
else it.skip("the embedded runtime behind the CRI (needs root and busybox)", () => undefined);
if (hasRights && hasContainerd) runCRIContract("containerd", { starter: startContainerd, ignoresImageFilter: true, losesLastWords: true });
else it.skip("containerd behind the CRI (needs root, containerd, runc and CNI plugins)", () => undefined);
