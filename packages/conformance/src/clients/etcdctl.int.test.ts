// Every subcommand of Debian's etcdctl 3.4 against three members, one row a call: what it prints, and how it exits.
//
// Rows of one table run in order, on what the rows before left. `{name}` stands for what an earlier row kept under that name.
// Left out: "migrate" (etcd's v2 files), "completion" and "help" (no server).
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, StoreCluster } from "@lenj/store/testing";

jest.setTimeout(240_000);

const hasEtcdctl = spawnSync("etcdctl", ["version"], { env: { ...process.env, ETCDCTL_API: "3" } }).status === 0;

interface Row {
  readonly run: string;
  readonly input?: string;
  /** All of standard output, or what it must match. */
  readonly out?: string | RegExp;
  /** What standard error must match; the exit code is then not 0. */
  readonly fails?: RegExp;
  /** What standard error must match although the exit code is 0: etcdctl tells health there. */
  readonly err?: RegExp;
  /** Keeps the first group of `out` for later rows. */
  readonly keep?: string;
}

const keys: readonly Row[] = [
  { run: "version", out: /^etcdctl version: 3\.4\.\d+\nAPI version: 3\.4\n$/ },
  { run: "put a 1", out: "OK\n" },
  { run: "put a 2 --prev-kv", out: "OK\na\n1\n" },
  { run: "put b", input: "from standard input", out: "OK\n" },
  { run: "put a --ignore-value", out: "OK\n" },
  { run: "put none --ignore-value", fails: /etcdserver: key not found/ },
  { run: "put c 3 --lease=7b", fails: /etcdserver: requested lease not found/ },
  { run: "put c 3", out: "OK\n" },
  { run: "put d 4", out: "OK\n" },
  { run: "get a", out: "a\n2\n" },
  { run: "get none", out: "" },
  { run: "get a c", out: "a\n2\nb\nfrom standard input\n" },
  {
    run: "get --prefix --keys-only --order=DESCEND --sort-by=KEY",
    fails: /get command needs one argument as key and an optional argument as range_end/,
  },
  { run: "get --prefix= a --print-value-only", fails: /invalid argument/ },
  { run: "get a --print-value-only", out: "2\n" },
  { run: "get b --from-key --keys-only", out: "b\n\nc\n\nd\n\n" },
  { run: "get a e --limit=2 --keys-only", out: "a\n\nb\n\n" },
  { run: "get a e --order=DESCEND --sort-by=KEY --keys-only --limit=2", out: "d\n\nc\n\n" },
  { run: "get a e --sort-by=VERSION --order=DESCEND --keys-only --limit=1", out: "a\n\n" },
  { run: "get a e --sort-by=CREATE --order=DESCEND --keys-only --limit=1", out: "d\n\n" },
  { run: "get a e --sort-by=MODIFY --order=ASCEND --keys-only --limit=1", out: "b\n\n" },
  { run: "get a e --sort-by=VALUE --order=ASCEND --print-value-only --limit=1", out: "2\n" },
  { run: "get a --rev=2", out: "a\n1\n" },
  { run: "get a --rev=10000", fails: /etcdserver: mvcc: required revision is a future revision/ },
  { run: "get a --consistency=s", out: "a\n2\n" },
  { run: "get a -w json", out: /"kvs":\[\{"key":"YQ==","create_revision":2,"mod_revision":5,"version":3,"value":"Mg=="\}\],"count":1/ },
  { run: "get a -w fields", out: /"Key" : "a"\n"CreateRevision" : 2\n"ModRevision" : 5\n"Version" : 3\n"Value" : "2"\n"Lease" : 0\n/ },
  { run: "get a --hex", out: "\\x61\n\\x32\n" },
  {
    run: "txn",
    input: 'value("a") = "2"\nversion("a") > "1"\n\nput a 3\nget b\n\nget a\n\n',
    out: "SUCCESS\n\nOK\n\nb\nfrom standard input\n",
  },
  { run: "txn", input: 'create("a") > "5"\n\nput a 4\n\nget a\ndel b\n\n', out: "FAILURE\n\na\n3\n\n1\n" },
  {
    run: "txn --interactive",
    input: 'mod("a") > "0"\n\nput x 1\n\n\n',
    out: /compares:\n.*success requests \(get, put, del\):\n.*failure requests.*SUCCESS\n\nOK\n$/s,
  },
  { run: "txn", input: 'value("a") = "3"\n\nput a 5\nput a 6\n\n\n', fails: /etcdserver: duplicate key given in txn request/ },
  { run: "del x", out: "1\n" },
  { run: "del x", out: "0\n" },
  { run: "del c e --prev-kv", out: "2\nc\n3\nd\n4\n" },
  { run: "put p/1 1", out: "OK\n" },
  { run: "put p/2 2", out: "OK\n" },
  { run: "put q/1 1", out: "OK\n" },
  { run: "del p/ --prefix", out: "2\n" },
  { run: "del q --from-key", out: "1\n" },
  { run: "get a -w fields", out: /"Revision" : (\d+)/, keep: "revision" },
  { run: "compaction {revision}", out: /^compacted revision \d+\n$/ },
  { run: "compaction {revision}", fails: /etcdserver: mvcc: required revision has been compacted/ },
  { run: "get a --rev=2", fails: /etcdserver: mvcc: required revision has been compacted/ },
  { run: "put a 9", out: "OK\n" },
  { run: "get a -w fields", out: /"Revision" : (\d+)/, keep: "later" },
  { run: "compaction --physical {later}", out: /^compacted revision \d+\n$/ },
  { run: "compaction 100000", fails: /etcdserver: mvcc: required revision is a future revision/ },
];

const leases: readonly Row[] = [
  { run: "lease grant 600", out: /^lease ([0-9a-f]+) granted with TTL\(600s\)\n$/, keep: "lease" },
  { run: "lease grant 1", out: /granted with TTL\(2s\)/ },
  { run: "lease grant 99999999999", fails: /etcdserver: too large lease TTL/ },
  { run: "put leased 1 --lease={lease}", out: "OK\n" },
  { run: "put leased 2 --ignore-lease", out: "OK\n" },
  { run: "lease timetolive {lease}", out: /^lease [0-9a-f]+ granted with TTL\(600s\), remaining\((5\d\d|600)s\)\n$/ },
  { run: "lease timetolive {lease} --keys", out: /, attached keys\(\[leased\]\)\n$/ },
  { run: "lease list", out: /^found \d leases\n(.*\n)*/ },
  { run: "lease keep-alive --once {lease}", out: /^lease [0-9a-f]+ keepalived with TTL\(600\)\n$/ },
  { run: "lease revoke {lease}", out: /^lease [0-9a-f]+ revoked\n$/ },
  { run: "lease revoke {lease}", fails: /etcdserver: requested lease not found/ },
  { run: "lease timetolive {lease}", out: /^lease [0-9a-f]+ already expired\n$/ },
  { run: "get leased", out: "" },
];

const maintenance: readonly Row[] = [
  { run: "endpoint health", err: /^(.* is healthy: successfully committed proposal: took = .*\n){3}$/ },
  { run: "endpoint health --cluster -w json", out: /"health":true/ },
  { run: "endpoint status", out: /^(.*, [0-9a-f]+, 3\.6\.0, .*, (true|false), false, \d+, \d+, \d+, \n){3}$/ },
  { run: "endpoint status --cluster -w table", out: /RAFT APPLIED INDEX/ },
  { run: "endpoint hashkv", out: /^(.*, \d+\n){3}$/ },
  { run: "alarm list", out: "" },
  { run: "alarm disarm", out: "" },
  { run: "defrag", out: /^(Finished defragmenting etcd member\[.*\]\n){3}$/ },
  { run: "defrag --cluster", out: /^(Finished defragmenting etcd member\[.*\]\n){3}$/ },
];

const auth: readonly Row[] = [
  { run: "auth enable", fails: /root user does not exist/ },
  { run: "user add root --new-user-password=pw", out: "User root created\n" },
  { run: "user add alice:secret", out: "User alice created\n" },
  { run: "user add carol --interactive=false", input: "typed\n", out: "User carol created\n" },
  { run: "user add bob --no-password", out: "User bob created\n" },
  { run: "user add alice:secret", fails: /etcdserver: user name already exists/ },
  { run: "user list", out: "alice\nbob\ncarol\nroot\n" },
  { run: "role add root", out: "Role root created\n" },
  { run: "role add readers", out: "Role readers created\n" },
  { run: "role add readers", fails: /etcdserver: role name already exists/ },
  { run: "role grant-permission readers read r/ --prefix", out: "Role readers updated\n" },
  { run: "role grant-permission readers readwrite w1 w3", out: "Role readers updated\n" },
  { run: "role grant-permission readers write z --from-key", out: "Role readers updated\n" },
  {
    run: "role get readers",
    out: /^Role readers\nKV Read:\n\t\[r\/, r0\) \(prefix r\/\)\n\t\[w1, w3\)\nKV Write:\n\t\[w1, w3\)\n\t\[z, <open ended>\n?/,
  },
  { run: "role revoke-permission readers z --from-key", out: /revoked from role readers/ },
  { run: "role list", out: "readers\nroot\n" },
  { run: "user grant-role root root", out: "Role root is granted to user root\n" },
  { run: "user grant-role alice readers", out: "Role readers is granted to user alice\n" },
  { run: "user get alice", out: "User: alice\nRoles: readers\n" },
  { run: "user get alice --detail", out: /User: alice\n\nRole readers\nKV Read:/ },
  { run: "user passwd alice --interactive=false", input: "changed\n", out: "Password updated\n" },
  { run: "auth enable", out: "Authentication Enabled\n" },
  { run: "get r/1", fails: /etcdserver: user name is empty/ },
  { run: "--user root:pw put r/1 x", out: "OK\n" },
  { run: "--user alice:changed get r/1", out: "r/1\nx\n" },
  { run: "--user alice:secret get r/1", fails: /etcdserver: authentication failed, invalid user ID or password/ },
  { run: "--user alice:changed put r/1 y", fails: /etcdserver: permission denied/ },
  { run: "--user alice --password changed put w2 y", out: "OK\n" },
  { run: "--user alice:changed user list", fails: /etcdserver: permission denied/ },
  { run: "--user root:pw user revoke-role alice readers", out: "Role readers is revoked from user alice\n" },
  { run: "--user alice:changed get r/1", fails: /etcdserver: permission denied/ },
  { run: "--user root:pw user delete bob", out: "User bob deleted\n" },
  { run: "--user root:pw role delete readers", out: "Role readers deleted\n" },
  { run: "--user root:pw endpoint health", err: /^(.* is healthy.*\n){3}$/ },
  { run: "--user root:pw auth disable", out: "Authentication Disabled\n" },
  { run: "get r/1", out: "r/1\nx\n" },
];

const members: readonly Row[] = [
  { run: "member list", out: /^([0-9a-f]+, started, s\d, http:\/\/127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+, false\n){3}$/ },
  { run: "member list -w table", out: /IS LEARNER/ },
  {
    run: "member add s4 --learner --peer-urls=http://127.0.0.1:1",
    out: /^Member +([0-9a-f]+) added to cluster +[0-9a-f]+\n\nETCD_NAME="s4"\n/,
    keep: "added",
  },
  { run: "member add s5 --learner --peer-urls=http://127.0.0.1:2", fails: /etcdserver: too many learner members in cluster/ },
  { run: "member add s5 --peer-urls=http://127.0.0.1:1", fails: /Peer URLs already exists|member ID already exist/ },
  { run: "member promote {added}", fails: /etcdserver: can only promote a learner member which is in sync with leader/ },
  { run: "member update {added} --peer-urls=http://127.0.0.1:3", out: /^Member +[0-9a-f]+ updated in cluster/ },
  { run: "member remove {added}", out: /^Member +[0-9a-f]+ removed from cluster/ },
  { run: "member remove {added}", fails: /etcdserver: member not found/ },
  { run: "member promote 77", fails: /etcdserver: member not found/ },
];

(hasEtcdctl ? describe : describe.skip)("etcdctl 3.4", () => {
  let cluster: StoreCluster;
  let folder: string;
  const children: ChildProcess[] = [];
  const kept = new Map<string, string>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lenj-etcdctl-"));
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await cluster.becomeHealthy();
  });

  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const check = ({ run, input, out, fails, err, keep }: Row): void => {
    const args = run.replace(/\{(\w+)\}/g, (_all, name: string) => kept.get(name) ?? "").split(" ");
    const result = cluster.etcdctl(args, { ...(input === undefined ? {} : { input }), timeoutMs: 90_000 });
    const seen = { run, ...result };
    if (fails === undefined) expect(seen).toMatchObject({ run, code: 0 });
    else expect(seen).not.toMatchObject({ code: 0 });
    const complaint = fails ?? err;
    if (complaint !== undefined) expect(seen).toMatchObject({ run, stderr: expect.stringMatching(complaint) as string });
    if (typeof out === "string") expect(seen).toMatchObject({ run, stdout: out });
    else if (out !== undefined) expect(seen).toMatchObject({ run, stdout: expect.stringMatching(out) as string });
    if (keep !== undefined && out instanceof RegExp) kept.set(keep, out.exec(result.stdout)?.[1] ?? "");
  };
  /** Runs on, beside the test; tells what it has printed. */
  const start = (...args: string[]): { readonly output: () => string; readonly child: ChildProcess; readonly exited: Promise<unknown> } => {
    const child = spawn("etcdctl", ["--endpoints", cluster.endpoints.join(","), ...args], { env: { ...process.env, ETCDCTL_API: "3" } });
    children.push(child);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    return { output: () => text, child, exited: once(child, "exit") };
  };
  const shows = (process: { output: () => string }, text: string | RegExp): Promise<true> =>
    eventually(() =>
      Promise.resolve((typeof text === "string" ? process.output().includes(text) : text.test(process.output())) ? true : undefined),
    );
  const put = (key: string, value: string): void => expect(cluster.etcdctl(["put", key, value]).code).toBe(0);

  it.each([
    ["keys: put, get, del, txn, compaction", keys],
    ["lease", leases],
    ["endpoint, alarm, defrag", maintenance],
  ])("%s", (_name, rows) => {
    for (const row of rows) check(row);
  });

  it("auth, user, role", () => {
    try {
      for (const row of auth) check(row);
    } finally {
      // Left on, it would fail every test after this one.
      cluster.etcdctl(["--user", "root:pw", "auth", "disable"]);
    }
  });

  it("member", async () => {
    const [list, table, add, ...rest] = members as [Row, Row, Row, ...Row[]];
    check(list);
    check(table);
    // Connections count once they have stood for five seconds.
    await eventually(() => {
      check(add);
      return Promise.resolve(true);
    });
    for (const row of rest) check(row);
  });

  it("watch, also interactive and with a command for each event", async () => {
    const simple = start("watch", "--prefix", "w/", "--prev-kv");
    const executing = start("watch", "w/1", "--", "sh", "-c", 'echo "event $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY"');
    const interactive = start("watch", "-i");
    interactive.child.stdin?.write("watch w/1\nprogress\n");
    let round = 0;
    // A watch prints nothing when it begins, so the first events may come before it.
    await eventually(async () => {
      round += 1;
      put("w/1", String(round));
      await new Promise((resolve) => setTimeout(resolve, 200));
      return [simple, executing, interactive].every((watch) => watch.output().includes("PUT")) ? true : undefined;
    });
    cluster.etcdctl(["del", "w/1"]);
    await shows(simple, /DELETE\nw\/1\n\d+\nw\/1\n\n/);
    await shows(executing, /event "?DELETE"? "?w\/1"?/);
    await shows(interactive, "DELETE\nw/1\n");
    const revision = /"Revision" : (\d+)/.exec(cluster.etcdctl(["get", "w/1", "-w", "fields"]).stdout)?.[1] ?? "";
    cluster.etcdctl(["compaction", revision]);
    const past = start("watch", "w/1", "--rev=1");
    await shows(past, "etcdserver: mvcc: required revision has been compacted");
  });

  it("lock and elect: one at a time, the next when the first is gone", async () => {
    const first = start("lock", "l");
    await shows(first, /^l\/[0-9a-f]+\n/);
    const second = start("lock", "l", "echo", "mine");
    first.child.kill("SIGINT");
    await shows(second, "mine\n");
    await second.exited;

    const leader = start("elect", "e", "one");
    await shows(leader, /^e\/[0-9a-f]+\none\n/);
    const listener = start("elect", "-l", "e");
    await shows(listener, "one\n");
    const next = start("elect", "e", "two");
    leader.child.kill("SIGINT");
    await shows(next, /^e\/[0-9a-f]+\ntwo\n/);
    await shows(listener, "two\n");
    listener.child.kill("SIGINT");
    next.child.kill("SIGINT");
  });

  it("lease keep-alive goes on, and ends when the lease is gone", async () => {
    const id = /lease ([0-9a-f]+)/.exec(cluster.etcdctl(["lease", "grant", "3"]).stdout)?.[1] ?? "";
    const renewing = start("lease", "keep-alive", id);
    await shows(renewing, new RegExp(`(lease ${id} keepalived with TTL\\(3\\)\n){2}`));
    cluster.etcdctl(["lease", "revoke", id]);
    await shows(renewing, `lease ${id} expired or revoked.`);
  });

  it("move-leader, asked of the leader alone", async () => {
    const status = cluster.etcdctl(["endpoint", "status", "-w", "json"]).stdout;
    const rows = JSON.parse(status.replace(/("(?:leader|member_id)":)(\d+)/g, '$1"$2"')) as {
      readonly Endpoint: string;
      readonly Status: { readonly header: { readonly member_id: string }; readonly leader: string };
    }[];
    const isLeader = ({ Status }: (typeof rows)[number]): boolean => Status.header.member_id === Status.leader;
    const target = BigInt(rows.find((row) => !isLeader(row))?.Status.header.member_id ?? 0).toString(16);
    const follower = rows.find((row) => !isLeader(row))?.Endpoint ?? "";
    expect(cluster.etcdctl(["move-leader", target], { endpoints: [follower] })).toMatchObject({
      code: expect.any(Number) as number,
      stderr: expect.stringContaining("no leader endpoint given at") as string,
    });
    expect(cluster.etcdctl(["move-leader", target]).stdout).toMatch(/^Leadership transferred from [0-9a-f]+ to [0-9a-f]+\n$/);
    await eventually(() => {
      const now = cluster.etcdctl(["endpoint", "status"], { endpoints: [follower] }).stdout;
      return Promise.resolve(now.split(", ")[4] === "true" ? true : undefined);
    });
  });

  it("make-mirror copies a prefix to another cluster, what is there and what comes", async () => {
    const other = await StoreCluster.create({ members: 1 });
    try {
      other.startAll();
      await other.becomeHealthy();
      put("m/1", "before");
      start("make-mirror", "--prefix", "m/", "--dest-prefix", "copy/", new URL(other.endpoints[0] ?? "").host);
      const copied = (key: string): Promise<string> =>
        eventually(() => Promise.resolve(other.etcdctl(["get", key, "--print-value-only"]).stdout.trim() || undefined));
      expect(await copied("copy/1")).toBe("before");
      put("m/2", "after");
      expect(await copied("copy/2")).toBe("after");
    } finally {
      await other.close();
    }
  });

  it("check perf: a minute of 150 puts a second, then its own cleaning up", () => {
    const { stdout } = cluster.etcdctl(["check", "perf", "--load=s", "--auto-compact", "--auto-defrag"], { timeoutMs: 120_000 });
    // What it thinks of the speed, which its exit code says too, is the machine's.
    for (const verdict of ["(PASS|FAIL): Throughput", "(PASS: S|FAIL: S)lowest request took", "(PASS|FAIL): Stddev"])
      expect(stdout).toMatch(new RegExp(verdict));
    expect(stdout).toMatch(/Compacted with revision \d+\n/);
    expect(stdout.match(/Defragmented "/g)).toHaveLength(3);
  });

  it("check datascale: ten thousand keys of a kilobyte, measured at /metrics, then its own cleaning up", () => {
    const { stdout } = cluster.etcdctl(["check", "datascale", "--load=s", "--auto-compact", "--auto-defrag"], { timeoutMs: 120_000 });
    expect(stdout).toMatch(/PASS: Approximate system memory used : [\d.]+ MB\.\n/);
    expect(stdout).toMatch(/Compacted with revision \d+\n/);
    expect(stdout.match(/Defragmented "/g)).toHaveLength(3);
    expect(cluster.etcdctl(["get", "--prefix", "/etcdctl-check-datascale/", "--keys-only"]).stdout).toBe("");
  });

  it("snapshot save, status and restore", () => {
    const file = join(folder, "snapshot.db");
    const at = { endpoints: [cluster.endpoints[0] ?? ""] };
    expect(cluster.etcdctl(["snapshot", "save", file], at)).toMatchObject({ code: 0, stdout: `Snapshot saved at ${file}\n` });
    expect(cluster.etcdctl(["snapshot", "status", file]).stdout).toMatch(/^[0-9a-f]+, \d+, \d+, .* [kM]B\n$/);
    expect(cluster.etcdctl(["snapshot", "restore", file, "--data-dir", join(folder, "restored")]).code).toBe(0);
    expect(existsSync(join(folder, "restored", "member", "snap", "db"))).toBe(true);
  });
});
