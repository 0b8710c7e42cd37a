import { TaskGroup } from "./task-group.js";

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));

describe("TaskGroup", () => {
  it("aborts the signal of every task on close and waits for them", async () => {
    const group = new TaskGroup();
    const ended: string[] = [];
    for (const name of ["a", "b"]) group.run(name, (signal) => untilAborted(signal).finally(() => ended.push(name)));
    await group.close();
    expect(ended).toEqual(["a", "b"]);
    expect(group.signal.aborted).toBe(true);
  });

  it("reports the first task that fails and aborts the others", async () => {
    const group = new TaskGroup();
    const other = new Promise<unknown>((resolve) => {
      group.run("waits", (signal) => untilAborted(signal).catch(resolve));
    });
    group.run("fails", () => Promise.reject(new Error("broken")));
    expect((await group.failed).message).toBe("Task fails failed: broken");
    expect(await other).toBeInstanceOf(Error);
  });

  it("gives each task a signal of its own, so that many tasks are no leak of listeners", async () => {
    const group = new TaskGroup();
    const signals = new Set<AbortSignal>();
    for (let n = 0; n < 20; n++) {
      group.run(`task ${n}`, (signal) => {
        signals.add(signal);
        return untilAborted(signal);
      });
    }
    expect(signals.size).toBe(20);
    await group.close();
  });

  it("starts a task that comes after the close with an aborted signal", async () => {
    const group = new TaskGroup();
    await group.close();
    let aborted = false;
    group.run("late", (signal) => {
      aborted = signal.aborted;
      return Promise.resolve();
    });
    expect(aborted).toBe(true);
  });
});
