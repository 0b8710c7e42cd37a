// Where the runtime keeps what. `root` survives a reboot of the node, `state` must not.
import { join } from "node:path";

export interface Layout {
  readonly root: string;
  readonly state: string;
}

export const sandboxRecords = (layout: Layout): string => join(layout.root, "sandboxes");
export const containerRecords = (layout: Layout): string => join(layout.root, "containers");
export const launcherDirectory = (layout: Layout): string => join(layout.state, "bin");
export const exitsDirectory = (layout: Layout): string => join(layout.state, "exits");
export const networkPinsDirectory = (layout: Layout): string => join(layout.state, "netns");
export const networkPin = (layout: Layout, sandboxID: string): string => join(networkPinsDirectory(layout), sandboxID);

/** Files of a running sandbox or container. */
export const runDirectory = (layout: Layout, id: string): string => join(layout.state, "run", id);
export const pidFile = (layout: Layout, id: string): string => join(runDirectory(layout, id), "pid");
export const exitDraft = (layout: Layout, id: string): string => join(runDirectory(layout, id), "exit.draft");
export const sharedMemory = (layout: Layout, sandboxID: string): string => join(runDirectory(layout, sandboxID), "shm");
export const pipe = (layout: Layout, containerID: string, name: "stdin" | "stdout" | "stderr" | "control"): string =>
  join(runDirectory(layout, containerID), name);

/** The name of every shim in process lists. */
export const shimName = "lenj-shim";
