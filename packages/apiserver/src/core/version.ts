/** What /version answers. Clients derive the skew warning from major and minor. */
export const kubernetesVersion = {
  major: "1",
  minor: "35",
  emulationMajor: "1",
  emulationMinor: "35",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "34",
  gitVersion: "v1.35.2",
} as const;

export interface BuildFacts {
  readonly commit: string;
  readonly buildDate: string;
  /** `v20.20.2`: what the program runs on stands where upstream names its compiler. */
  readonly runtimeVersion: string;
  readonly platform: string;
}

export function versionDocument(build: BuildFacts): Readonly<Record<string, string>> {
  return {
    ...kubernetesVersion,
    gitCommit: build.commit,
    gitTreeState: "clean",
    buildDate: build.buildDate,
    goVersion: `node${build.runtimeVersion.replace(/^v/, "")}`,
    compiler: "node",
    platform: build.platform,
  };
}
