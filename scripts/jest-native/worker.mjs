import { pathToFileURL } from "node:url";
import { jestExpect as expect } from "@jest/expect";
import { ModernFakeTimers } from "@jest/fake-timers";
import * as circus from "jest-circus";
import { ModuleMocker } from "jest-mock";
import * as snap from "jest-snapshot";

const mock = new ModuleMocker(globalThis);
let timers;
const T = () => timers;
const jest = {
  fn: mock.fn.bind(mock),
  spyOn: mock.spyOn.bind(mock),
  mocked: (x) => x,
  clearAllMocks: () => (mock.clearAllMocks(), jest),
  resetAllMocks: () => (mock.resetAllMocks(), jest),
  restoreAllMocks: () => (mock.restoreAllMocks(), jest),
  setTimeout: (ms) => (circus.setState({ ...circus.getState(), testTimeout: ms }), jest),
  retryTimes: (n, _o) => ((globalThis[Symbol.for("RETRY_TIMES")] = n), jest),
  useFakeTimers: (c) => (T().useFakeTimers(c), jest),
  useRealTimers: () => (T().useRealTimers(), jest),
  setSystemTime: (t) => T().setSystemTime(t),
  ...Object.fromEntries(
    [
      "advanceTimersByTime",
      "advanceTimersByTimeAsync",
      "runAllTimers",
      "runAllTimersAsync",
      "runOnlyPendingTimers",
      "runOnlyPendingTimersAsync",
      "clearAllTimers",
      "getTimerCount",
    ].map((k) => [k, (...a) => T()[k](...a)]),
  ),
};
const { describe, test, it, beforeAll, beforeEach, afterAll, afterEach } = circus;
Object.assign(globalThis, {
  jest,
  expect,
  describe,
  test,
  it,
  beforeAll,
  beforeEach,
  afterAll,
  afterEach,
  xit: test.skip,
  xtest: test.skip,
  fit: test.only,
  xdescribe: describe.skip,
  fdescribe: describe.only,
});
// Tests run as compiled by tsc: packages/<p>/src/x.test.ts is packages/<p>/dist/x.test.js.
const compiledPath = (path) => path.replace(/(\/(?:packages\/[^/]+|scripts))\/src\//, "$1/dist/").replace(/\.ts$/, ".js");
let n = 0,
  setupDone = false;
circus.addEventHandler((ev) => {
  if (ev.name === "test_start") expect.setState({ currentTestName: circus.getState().currentlyRunningTest ? name(ev.test) : "" });
});
const name = (t) => {
  const p = [];
  for (let x = t; x && x.name !== "ROOT_DESCRIBE_BLOCK"; x = x.parent) p.unshift(x.name);
  return p.join(" ");
};

async function run({ path, config, globalConfig }) {
  timers ??= new ModernFakeTimers({ config, global: globalThis });
  circus.resetState();
  const st = circus.getState();
  circus.setState({
    ...st,
    expand: globalConfig.expand,
    testTimeout: globalConfig.testTimeout || 5000,
    maxConcurrency: globalConfig.maxConcurrency,
    testNamePattern: globalConfig.testNamePattern ? new RegExp(globalConfig.testNamePattern, "i") : null,
  });
  delete globalThis[Symbol.for("RETRY_TIMES")];
  const resolver = await snap.buildSnapshotResolver(config);
  const snapshotState = new snap.SnapshotState(resolver.resolveSnapshotPath(path), {
    prettierPath: config.prettierPath,
    snapshotFormat: config.snapshotFormat,
    updateSnapshot: globalConfig.updateSnapshot,
    rootDir: config.rootDir,
  });
  expect.setState({ expand: globalConfig.expand, snapshotState, testPath: path });
  const start = Date.now();
  if (!setupDone) {
    setupDone = true;
    for (const f of [...config.setupFiles, ...config.setupFilesAfterEnv]) await import(pathToFileURL(f));
  }
  await import(`${pathToFileURL(compiledPath(path))}?run=${++n}`);
  const res = await circus.run();
  jest.restoreAllMocks();
  timers.useRealTimers();
  const testResults = res.testResults.map((t) => ({
    ancestorTitles: t.testPath.slice(1, -1),
    title: t.testPath.at(-1),
    fullName: t.testPath.slice(1).join(" "),
    duration: t.duration,
    failureDetails: t.errorsDetailed,
    failureMessages: t.errors,
    invocations: t.invocations,
    location: t.location,
    numPassingAsserts: t.numPassingAsserts,
    retryReasons: t.retryReasons,
    startAt: t.startedAt,
    status: t.status === "skip" ? "pending" : t.status === "todo" ? "todo" : t.errors.length ? "failed" : "passed",
  }));
  for (const t of testResults) if (t.status === "pending" || t.status === "failed") snapshotState.markSnapshotsAsCheckedForTest(t.fullName);
  const unchecked = snapshotState.getUncheckedCount();
  const keys = [...snapshotState.getUncheckedKeys()];
  if (unchecked) snapshotState.removeUncheckedKeys();
  const saved = snapshotState.save();
  const c = (s) => testResults.filter((t) => t.status === s).length;
  const failureMessage =
    [
      ...testResults
        .filter((t) => t.status === "failed")
        .map((t) => `  \u25cf ${[...t.ancestorTitles, t.title].join(" \u203a ")}\n\n${t.failureMessages.join("\n")}\n`),
      ...res.unhandledErrors,
    ].join("\n") || null;
  const end = Date.now();
  return {
    console: undefined,
    displayName: config.displayName,
    failureMessage,
    leaks: false,
    numFailingTests: c("failed"),
    numPassingTests: c("passed"),
    numPendingTests: c("pending"),
    numTodoTests: c("todo"),
    openHandles: [],
    perfStats: {
      start,
      end,
      runtime: end - start,
      slow: (end - start) / 1000 > config.slowTestThreshold,
      loadTestEnvironmentStart: start,
      loadTestEnvironmentEnd: start,
      setupFilesStart: start,
      setupFilesEnd: start,
    },
    skipped: false,
    testExecError: res.unhandledErrors.length ? { message: res.unhandledErrors.join("\n"), stack: "" } : undefined,
    testFilePath: path,
    testResults: testResults.map((t) => ({ ...t, failureDetails: [] })),
    snapshot: {
      added: snapshotState.added,
      fileDeleted: saved.deleted,
      matched: snapshotState.matched,
      unchecked: saved.deleted ? 0 : unchecked,
      uncheckedKeys: keys,
      unmatched: snapshotState.unmatched,
      updated: snapshotState.updated,
    },
  };
}
process.on("message", (m) =>
  run(m).then(
    (result) => process.send({ result }),
    (e) => process.send({ error: { message: e?.message ?? String(e), stack: e?.stack } }),
  ),
);
process.on("disconnect", () => process.exit(0));

const onError = (e) => {
  const s = circus.getState();
  const err = e instanceof Error ? e : new Error(String(e));
  if (s.currentlyRunningTest) s.currentlyRunningTest.errors.push([err, err]);
  else s.unhandledErrors.push([err, err]);
};
process.on("unhandledRejection", onError);
process.on("uncaughtException", onError);
