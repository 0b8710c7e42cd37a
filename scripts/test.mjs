// `npm test`: set up, install what the tests compare with where that is possible, run every suite, and sum up.
// Closes with "N passed, N failed, N skipped". Arguments: names of suites (unit, int, e2e); default all.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { setUp } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Programs that tests compare with or drive, and the Debian packages that bring them. */
const debianPackages = {
  ip: "iproute2",
  nft: "nftables",
  conntrack: "conntrack",
  etcd: "etcd-server",
  etcdctl: "etcd-client",
  containerd: "containerd",
  runc: "runc",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
  dockerd: "docker.io",
  "docker-compose": "docker-compose",
  curl: "curl",
  script: "bsdutils",
  protoc: "protobuf-compiler",
  "/usr/lib/python3/dist-packages/grpc/__init__.py": "python3-grpcio",
  "/usr/lib/python3/dist-packages/google/protobuf/__init__.py": "python3-protobuf",
  "/usr/lib/python3/dist-packages/yaml/__init__.py": "python3-yaml",
  busybox: "busybox-static",
  openssl: "openssl",
  h2load: "nghttp2-client",
};

/** Suites by cost. The end-to-end suite drives whole labs: one at a time. */
const suites = [
  { name: "unit", workers: 2 },
  { name: "int", workers: 2 },
  { name: "e2e", workers: 1 },
];

setUp();
const chosen = process.argv.slice(2);
if (chosen.length === 0 || chosen.some((name) => name !== "unit")) installPeers();

const total = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
  process.stdout.write(`\n[test] ${suite.name}\n`);
  const found = runSuite(suite);
  total.passed += found.passed;
  total.failed += found.failed;
  total.skipped += found.skipped;
}
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
// Where everything can be installed, a skipped test is one that nobody runs.
const tooManySkipped = process.env.CI === "true" && total.skipped > 0;
process.exit(total.failed > 0 || total.passed === 0 || tooManySkipped ? 1 : 0);

function runSuite({ name, workers }) {
  const folder = mkdtempSync(`${tmpdir()}/lenj-test-`);
  const report = `${folder}/report.json`;
  // One lab serves all end-to-end tests that need no special one; it is taken down here, whatever became of them.
  const env = name === "e2e" ? { ...process.env, LENJ_E2E_STATE: folder } : process.env;
  spawnSync(
    process.execPath,
    [
      `${root}node_modules/jest/bin/jest.js`,
      "--selectProjects",
      name,
      `--maxWorkers=${workers}`,
      "--passWithNoTests",
      "--json",
      `--outputFile=${report}`,
    ],
    // The report also goes to standard output, where nobody wants it; people read standard error.
    { cwd: root, stdio: ["ignore", "ignore", "inherit"], env },
  );
  if (name === "e2e")
    spawnSync(process.execPath, [`${root}packages/lab/dist/main.js`, "--state", `${folder}/lab`, "down", "--purge"], { stdio: "ignore" });
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    for (const file of result.testResults) {
      for (const test of file.assertionResults) if (test.status === "pending") process.stdout.write(`[test] skipped: ${test.fullName}\n`);
    }
    // A suite that could not even be loaded counts as one failure.
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
      skipped: result.numPendingTests,
    };
  } catch (error) {
    process.stdout.write(`[test] ${name}: no report: ${error.message}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function installPeers() {
  const isThere = (program) =>
    spawnSync("sh", ["-c", `command -v ${program} || test -e ${program}`], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    }).status === 0;
  const missing = Object.entries(debianPackages).filter(([program]) => !isThere(program));
  if (missing.length === 0) return;
  if (process.getuid() !== 0 || !isThere("apt-get")) {
    process.stdout.write(`[test] not installed, tests that need them are skipped: ${missing.map(([program]) => program).join(", ")}\n`);
    return;
  }
  const packages = [...new Set(missing.map(([, name]) => name))];
  process.stdout.write(`[test] installing ${packages.join(", ")}\n`);
  withoutServices(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args) => spawnSync("apt-get", ["-qq", ...args], { stdio: ["ignore", "ignore", "inherit"], env }).status === 0;
    if (!apt("update") || !apt("install", "--yes", "--no-install-recommends", ...packages))
      process.stdout.write("[test] installing failed; tests that need them are skipped or fail\n");
  });
}

/** Debian starts a package's services when it installs it, unless this file says no. */
function withoutServices(install) {
  const policy = "/usr/sbin/policy-rc.d";
  let own = false;
  try {
    writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
    own = true;
  } catch {
    // Somebody else's policy stands.
  }
  try {
    install();
  } finally {
    if (own) rmSync(policy, { force: true });
  }
}
