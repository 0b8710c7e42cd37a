// What a lab needs of the machine, and how to say what is missing. Pure: probes are done by drivers.

/** A program that must be on the PATH, and the Debian package that brings it. */
export interface RequiredProgram {
  readonly program: string;
  readonly debianPackage: string;
  readonly why: string;
}

export const requiredPrograms: readonly RequiredProgram[] = [
  { program: "ip", debianPackage: "iproute2", why: "makes the lab's network" },
  { program: "nft", debianPackage: "nftables", why: "makes Services reachable" },
  { program: "unshare", debianPackage: "util-linux", why: "makes the lab's and the nodes' namespaces" },
  { program: "nsenter", debianPackage: "util-linux", why: "starts processes on the lab's hosts" },
  { program: "mount", debianPackage: "mount", why: "gives nodes their file systems" },
  { program: "sh", debianPackage: "dash", why: "is the init of a node" },
];

export interface Abilities {
  readonly isRoot: boolean;
  /** Whether namespaces of the needed kinds can be made; else the kernel's words. */
  readonly world: { readonly ok: true } | { readonly ok: false; readonly error: string };
  readonly missingPrograms: readonly RequiredProgram[];
}

/** One sentence a problem; empty when a lab can start. */
export function describeProblems(abilities: Abilities): string[] {
  const problems = abilities.missingPrograms.map(
    (missing) => `The program "${missing.program}" is missing (Debian package ${missing.debianPackage}); it ${missing.why}.`,
  );
  if (abilities.missingPrograms.length === 0 && !abilities.world.ok)
    problems.push(describeWorldProblem(abilities.isRoot, abilities.world.error));
  return problems;
}

function describeWorldProblem(isRoot: boolean, error: string): string {
  const ability = isRoot
    ? "This process may not make network, mount and pid namespaces (the capability CAP_SYS_ADMIN is missing)"
    : "This user may not make a user namespace (the kernel's user.max_user_namespaces, kernel.unprivileged_userns_clone or an AppArmor restriction forbids it)";
  return `${ability}: ${error.trim()}. Run as root, allow it, or use the docker-compose lab: see deploy/README.md.`;
}

/** What an ordinary user's lab lacks, to be said at start. */
export const rootlessLimits: readonly string[] = [
  "Without root: no cgroup limits or usage figures for containers, and every container runs as one user id (runAsUser other than 0 fails).",
];
