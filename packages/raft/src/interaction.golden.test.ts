import { readGoldenCases } from "@lenj/base/testing";
import { runScript } from "./testing/script.js";

describe("raft scripts in testdata/", () => {
  it.each(readGoldenCases(new URL("../testdata/", import.meta.url)).map((each) => [each.name, each] as const))(
    "%s",
    (_name, { input, golden, maybeUpdate }) => {
      const output = runScript(input);
      if (!maybeUpdate(output)) expect(output).toBe(golden);
    },
  );
});
