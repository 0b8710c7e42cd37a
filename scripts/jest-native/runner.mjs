// Jest runner: native Node ESM in forked workers, no vm contexts. jest-circus runs the tests (timeouts, hooks, each, retry, concurrent).
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";

export default class NativeRunner {
  constructor(globalConfig) {
    this.globalConfig = globalConfig;
    this.isSerial = false;
  }
  async runTests(tests, watcher, onStart, onResult, onFailure) {
    const queue = [...tests];
    const n = Math.min(this.globalConfig.maxWorkers, queue.length);
    await Promise.all(Array.from({ length: n }, (_, i) => this.#lane(i + 1, queue, watcher, onStart, onResult, onFailure)));
  }
  async #lane(id, queue, watcher, onStart, onResult, onFailure) {
    let w;
    for (let test = queue.shift(); test !== undefined && !watcher.isInterrupted(); test = queue.shift()) {
      const isolate = /@jest-isolate/.test(readFileSync(test.path, "utf8").slice(0, 400));
      if (isolate && w) {
        await w.stop();
        w = undefined;
      }
      w ??= this.#worker(id, test.context.config);
      await onStart(test);
      try {
        await onResult(test, await w.run(test.path));
      } catch (e) {
        await onFailure(test, { message: e.message, stack: e.stack });
        // A worker in which a suite could not even be loaded is not used again, and must not keep the run alive.
        await w.stop();
        w = undefined;
      }
      if (isolate && w) {
        await w.stop();
        w = undefined;
      }
    }
    if (w) await w.stop();
  }
  #worker(id, config) {
    const child = fork(new URL("./worker.mjs", import.meta.url), {
      execArgv: ["--enable-source-maps"],
      serialization: "advanced",
      env: { ...process.env, NODE_ENV: process.env.NODE_ENV ?? "test", JEST_WORKER_ID: String(id) },
    });
    let done;
    child.on("message", (m) =>
      m.error ? done?.reject(Object.assign(new Error(m.error.message), { stack: m.error.stack })) : done?.resolve(m.result),
    );
    child.on("exit", (code, sig) => done?.reject(new Error(`test worker exited (code ${code}, signal ${sig}) while running ${done.path}`)));
    const { globalConfig } = this;
    return {
      run: (path) =>
        new Promise((resolve, reject) => {
          done = { resolve, reject, path };
          child.send({ path, config, globalConfig });
        }),
      stop: () =>
        new Promise((r) => {
          done = undefined;
          if (child.exitCode !== null || child.signalCode !== null) return r();
          child.once("exit", r);
          child.disconnect();
          setTimeout(() => child.kill("SIGKILL"), 500).unref();
        }),
    };
  }
}
