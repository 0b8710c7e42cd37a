// What every program says to a command line with several mistakes: all of them at once, and nothing is started. (The store reads its flags
// as etcd does, which stops at the first: packages/store has the tests.)
import { createRequire } from "node:module";
import { run } from "./lab.js";

const require = createRequire(import.meta.url);

/** By program: wrong flags of three kinds (unknown, unreadable, refused by validation), and a part of each problem's text. */
const mistakes: Readonly<Record<string, { readonly args: readonly string[]; readonly problems: readonly string[] }>> = {
  apiserver: {
    args: ["--secure-port=70000", "--grpc-port=x", "--etcd-certfile=a", "--etcd-prefix=registry", "--cert-dir="],
    problems: [
      "--secure-port 70000 must be between 0 and 65535, inclusive",
      'invalid argument "x" for "--grpc-port" flag',
      "--etcd-servers must be specified",
      "--etcd-certfile and --etcd-keyfile must be given together",
      "--etcd-prefix must start with a slash",
      "--tls-cert-file and --tls-private-key-file, or --cert-dir, must be given",
    ],
  },
  scheduler: {
    args: ["--secure-port=70000", "--leader-elect=perhaps", "--pod-initial-backoff=0s"],
    problems: [
      "--kubeconfig is required",
      "--secure-port must be between 0 and 65535, inclusive, got 70000",
      'invalid argument "perhaps" for "--leader-elect" flag',
      "--pod-initial-backoff must be greater than 0",
    ],
  },
  "controller-manager": {
    args: ["--secure-port=70000", "--node-monitor-period=soon", "--max-endpoints-per-slice=0", "--allocate-node-cidrs"],
    problems: [
      "--kubeconfig is required",
      "--secure-port 70000 must be between 0 and 65535, inclusive",
      'invalid argument "soon" for "--node-monitor-period" flag',
      "--max-endpoints-per-slice must be between 1 and 1000",
      "--cluster-cidr must be given when --allocate-node-cidrs is true",
    ],
  },
  kubelet: {
    args: ["--port=70000", "--max-pods=many", "--cgroup-driver=systemd", "--register-with-taints=:::"],
    problems: [
      "--kubeconfig or --pod-manifest-path is required",
      "--port 70000 must be between 0 and 65535, inclusive",
      'invalid argument "many" for "--max-pods" flag',
      '--cgroup-driver: unsupported value "systemd", must be cgroupfs',
      "invalid taint spec: :::",
    ],
  },
  runtime: {
    args: ["--listen=tcp://0.0.0.0:1", "--root=here", "--health-port=x", "--registry-mirror=ftp://a"],
    problems: [
      '--listen must be unix:///path, got "tcp://0.0.0.0:1"',
      '--root must be an absolute path, got "here"',
      'invalid argument "x" for "--health-port" flag',
      '--registry-mirror must be an http(s) URL, got "ftp://a"',
    ],
  },
  proxy: {
    args: ["--proxy-mode=ipvs", "--cluster-cidr=all", "--healthz-bind-address=here"],
    problems: [
      "--kubeconfig is required",
      "--hostname-override is required",
      '--proxy-mode must be "nftables", got "ipvs"',
      '--cluster-cidr must be an IPv4 range, got "all"',
      '--healthz-bind-address must be an address and a port, got "here"',
    ],
  },
  dns: {
    args: ["--cluster-domain=Cluster!", "--listen-address=here", "--healthz-bind-address=there"],
    problems: [
      "--kubeconfig is required",
      '--cluster-domain must be a domain name in lower case, got "Cluster!"',
      '--listen-address must be an address and a port, got "here"',
      '--healthz-bind-address must be an address and a port, got "there"',
    ],
  },
};

describe("a command line with several mistakes", () => {
  it.each(Object.entries(mistakes))(
    "makes the %s name all of them and end with code 2",
    async (program, { args, problems }) => {
      const outcome = await run(process.execPath, [
        require.resolve(`@lenj/${program}/main`),
        ...args,
        "--no-such-flag=1",
        "stray",
        "--log-format=xml",
      ]);
      expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code: 2, stdout: "" });
      const lines = outcome.stderr.trim().split("\n");
      expect(lines.filter((line) => !line.startsWith("Error: "))).toEqual([]);
      const expected = [
        "unknown flag: --no-such-flag",
        'unknown command "stray"',
        '"--log-format" flag: must be "json" or "text"',
        ...problems,
      ];
      expect(expected.filter((problem) => !lines.some((line) => line.includes(problem)))).toEqual([]);
      expect(lines).toHaveLength(expected.length);
    },
    60_000,
  );
});
