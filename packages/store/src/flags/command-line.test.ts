import { storeFlags } from "../options.js";
import { type CommandLine, readCommandLine } from "./command-line.js";
import { unservedFlagSpecs } from "./etcd-flags.js";
import { switchFlag } from "./flag-kinds.js";

const specs = { ...unservedFlagSpecs, ...storeFlags, version: switchFlag("") };
/** `content`: that of every file; without, there is none. */
function read(args: readonly string[], environment = {}, content?: string): CommandLine {
  const readText = (file: string): string => {
    if (content === undefined) throw Object.assign(new Error(`no such file ${file}`), { code: "ENOENT" });
    return content;
  };
  return readCommandLine({ args, environment, readText }, specs);
}

describe("readCommandLine()", () => {
  it("takes flags from ETCD_ variables, unless they are empty", () => {
    const environment = { ETCD_NAME: "a", ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:1", ETCD_DATA_DIR: "", ETCDCTL_API: "3" };
    expect(read(["-max-txn-ops", "7", "--pre-vote"], environment)).toEqual({
      kind: "run",
      args: ["--name=a", "--listen-client-urls=http://127.0.0.1:1", "--max-txn-ops=7", "--pre-vote=true"],
      given: new Set(["name", "listen-client-urls", "max-txn-ops", "pre-vote"]),
      warnings: [],
    });
  });

  it("says which variables it does not know", () => {
    expect(read([], { ETCD_BOGUS: "1", ETCD_VERSION: "v3.6" })).toMatchObject({
      args: [],
      warnings: ["unrecognized environment variable ETCD_BOGUS=1"],
    });
  });

  // Each seen at Debian's etcd 3.4.
  it.each([
    [["--nope"], "flag provided but not defined: -nope"],
    [["--heartbeat-interval", "abc"], 'invalid value "abc" for flag -heartbeat-interval: parse error'],
    [["--snapshot-count=-1"], 'invalid value "-1" for flag -snapshot-count: parse error'],
    [["--quota-backend-bytes=1.5"], 'invalid value "1.5" for flag -quota-backend-bytes: parse error'],
    [["--strict-reconfig-check=maybe"], 'invalid boolean value "maybe" for -strict-reconfig-check: parse error'],
    [["--corrupt-check-time", "5"], 'invalid value "5" for flag -corrupt-check-time: parse error'],
    [["-name"], "flag needs an argument: -name"],
    [["--initial-cluster-state=foo"], 'invalid value "foo" for flag -initial-cluster-state: invalid value'],
    [["--proxy=foo"], 'invalid value "foo" for flag -proxy: invalid value'],
    [["---name=a"], "bad flag syntax: ---name=a"],
    [["--listen-client-urls=foo"], 'invalid value "foo" for flag -listen-client-urls: URL scheme must be http, https, unix, or unixs: foo'],
    [
      ["--listen-client-urls=http://127.0.0.1"],
      'invalid value "http://127.0.0.1" for flag -listen-client-urls: URL address does not have the form "host:port": http://127.0.0.1',
    ],
    [
      ["--listen-client-urls=http://127.0.0.1:1/x"],
      'invalid value "http://127.0.0.1:1/x" for flag -listen-client-urls: URL must not contain a path: http://127.0.0.1:1/x',
    ],
  ])("refuses %j as Go's flag package does", (args, problem) => {
    expect(read(args)).toEqual({ kind: "unreadable", problem });
  });

  it.each([
    [["--pre-vote", "false"], {}, "'false' is not a valid flag"],
    [["--name=a", "--", "b"], {}, "'b' is not a valid flag"],
    [[], { ETCD_HEARTBEAT_INTERVAL: "abc" }, 'invalid value "abc" for ETCD_HEARTBEAT_INTERVAL: parse error'],
    [
      ["--name=b"],
      { ETCD_NAME: "a" },
      'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)',
    ],
    [["--config-file=/no/such.yml"], {}, "open /no/such.yml: no such file or directory"],
  ])("refuses %j with %j in etcd's words", (args, environment, problem) => {
    expect(read(args, environment)).toEqual({ kind: "invalid", problem });
  });

  it("shows version and help", () => {
    expect(read(["--version"])).toEqual({ kind: "version" });
    expect(read(["-h"])).toEqual({ kind: "help" });
  });

  describe("with a configuration file", () => {
    it("takes etcd's keys, and nothing from flags and variables", () => {
      const content = `name: filed
data-dir:
listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2
advertise-client-urls: http://127.0.0.1:1
strict-reconfig-check: false
corrupt-check-time: 1000000000
log-outputs: [stderr, stdout]
client-transport-security: { cert-file: a.crt, client-cert-auth: true, bogus: 1 }
peer-transport-security: { cert-file: b.crt, trusted-ca-file: ca.crt }
bogus: 1
`;
      const found = read(["--name=flagged", "--max-txn-ops=3"], { ETCD_NAME: "shadowed", ETCD_CONFIG_FILE: "etcd.yml" }, content);
      expect(found).toMatchObject({
        kind: "run",
        args: [
          "--name=filed",
          "--listen-client-urls=http://127.0.0.1:1,http://127.0.0.1:2",
          ...["--advertise-client-urls=http://127.0.0.1:1", "--strict-reconfig-check=false", "--corrupt-check-time=1000000000ns"],
          ...["--log-outputs=stderr,stdout", "--cert-file=a.crt", "--client-cert-auth=true"],
          ...["--peer-cert-file=b.crt", "--peer-trusted-ca-file=ca.crt"],
        ],
        warnings: [
          expect.stringContaining("Loading server configuration from"),
          "unrecognized configuration client-transport-security.bogus",
          "unrecognized configuration bogus",
        ],
      });
    });

    it.each([
      ["heartbeat-interval: abc", 'invalid value "abc" for heartbeat-interval: parse error'],
      ["name: {a: b}", "name must be a value, not a mapping"],
      ["[a]", "must be a mapping of keys to values"],
      ["a: [", "Flow sequence"],
    ])("refuses %j", (content, problem) => {
      expect(read(["--config-file", "etcd.yml"], {}, content)).toEqual({ kind: "invalid", problem: expect.stringContaining(problem) });
    });
  });
});
