// Three projects by cost: unit (no sockets, disk or real timers), int (real processes on loopback), e2e (a whole lab).
const shared = {
  runner: "<rootDir>/scripts/jest-native/runner.mjs",
  transform: {},
  modulePathIgnorePatterns: ["<rootDir>/packages/.*/dist/"],
  testPathIgnorePatterns: ["/node_modules/"],
};

export default {
  projects: [
    {
      ...shared,
      displayName: "unit",
      testMatch: ["<rootDir>/packages/*/src/**/*.test.ts"],
      testPathIgnorePatterns: ["/node_modules/", "\\.int\\.test\\.ts$", "\\.e2e\\.test\\.ts$"],
    },
    { ...shared, displayName: "int", testMatch: ["<rootDir>/packages/*/src/**/*.int.test.ts"] },
    { ...shared, displayName: "e2e", testMatch: ["<rootDir>/packages/*/src/**/*.e2e.test.ts"] },
  ],
};
