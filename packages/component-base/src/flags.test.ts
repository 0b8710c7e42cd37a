import { boolFlag, durationFlag, formatDuration, intFlag, listFlag, mapFlag, parseDuration, parseFlags, stringFlag } from "./flags.js";

const specs = {
  kubeconfig: stringFlag("Path"),
  "secure-port": intFlag("Port", 10259),
  "leader-elect": boolFlag("Elect", true),
  "sync-period": durationFlag("Period", 1_000),
  "etcd-servers": listFlag("Servers"),
  "node-labels": mapFlag("Labels"),
} as const;

describe("parseFlags()", () => {
  it("reads values behind a space or an equals sign, switches, lists and maps", () => {
    const parsed = parseFlags(specs, [
      "--kubeconfig",
      "a",
      "--secure-port=1",
      "--leader-elect=false",
      "--sync-period=1m30s",
      "--etcd-servers=a,b",
      "--etcd-servers",
      "c",
      "--node-labels=k=v,x=y=z",
    ]);
    expect(parsed.problems).toEqual([]);
    expect(parsed.values).toEqual({
      kubeconfig: "a",
      securePort: 1,
      leaderElect: false,
      syncPeriod: 90_000,
      etcdServers: ["a", "b", "c"],
      nodeLabels: { k: "v", x: "y=z" },
    });
  });

  it("reports every problem of a command line at once", () => {
    const parsed = parseFlags(specs, ["--nope", "--secure-port=x", "--sync-period=5", "stray", "--kubeconfig"]);
    expect(parsed.problems).toEqual([
      "unknown flag: --nope",
      'invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax',
      'invalid argument "5" for "--sync-period" flag: time: invalid duration "5"',
      'unknown command "stray": this program takes only flags',
      "flag needs an argument: --kubeconfig",
    ]);
  });
});

describe("parseDuration()", () => {
  it.each([
    ["1h", 3_600_000],
    ["1.5s", 1_500],
    ["-2ms", -2],
    ["0", 0],
  ])("reads %s as %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it("agrees with formatDuration()", () => {
    for (const text of ["1h0m0s", "1m30s", "250ms", "0s"]) expect(formatDuration(parseDuration(text))).toBe(text);
  });
});
