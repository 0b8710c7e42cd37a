import { readCommandLine } from "./command-line.js";
import { storeFlags } from "./options.js";

describe("readCommandLine()", () => {
  it("takes flags from ETCD_ variables, unless they are empty", () => {
    const environment = { ETCD_NAME: "a", ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:1", ETCD_DATA_DIR: "", ETCDCTL_API: "3" };
    expect(readCommandLine(["--max-txn-ops", "7"], environment, storeFlags)).toEqual({
      args: ["--name=a", "--listen-client-urls=http://127.0.0.1:1", "--max-txn-ops", "7"],
      problems: [],
    });
  });

  it("refuses a variable that a flag shadows, in etcd's words", () => {
    expect(readCommandLine(["--name=b"], { ETCD_NAME: "a" }, storeFlags).problems).toEqual([
      'conflicting environment variable "ETCD_NAME" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)',
    ]);
  });
});
