// `lenj down`: ends everything and leaves nothing behind but, unless purged, the state folder for the next `up`.
import { existsSync, rmSync } from "node:fs";
import { ControlClient } from "../drivers/control-client.js";
import { labPaths, readLab, readWorldPid } from "../drivers/lab-state.js";
import { leaveWorld } from "../drivers/world.js";

/** An orderly stop takes at most this long; then the world is ended as a whole. */
const orderlyStopMs = 20_000;

export async function down(options: { state: string; purge: boolean }): Promise<void> {
  if (!existsSync(`${options.state}/lab.json`)) {
    // A first start that was cut short may have left a folder without a lab.
    if (options.purge) rmSync(labPaths(options.state).state, { recursive: true, force: true });
    process.stdout.write("No lab here\n");
    return;
  }
  const lab = readLab(options.state);
  const control = new ControlClient(lab);
  if (await control.isUp()) {
    await control.post("/stop");
    const deadlineMs = performance.now() + orderlyStopMs;
    while (readWorldPid(lab) !== undefined && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await leaveWorld(lab);
  if (options.purge) rmSync(lab.paths.state, { recursive: true, force: true });
  process.stdout.write(options.purge ? "Lab is down, its state is gone\n" : "Lab is down\n");
}
