// Checks the architecture's rules on the tree: packages import only lower layers, and what a package imports is declared both in
// its package.json and its tsconfig; `core/` folders stay pure. Prints every breach and exits with 1 when there is one.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Package {
  readonly name: string;
  readonly folder: string;
  readonly layer: number;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  /** Folder names of the referenced projects. */
  readonly references: ReadonlySet<string>;
}

/** Packages of a layer that only some packages of higher layers may use. */
const reservedFor: Readonly<Record<string, readonly string[]>> = {
  "@lenj/raft": ["@lenj/store", "@lenj/simulator", "@lenj/bench"],
  "@lenj/mvcc": ["@lenj/store", "@lenj/simulator", "@lenj/bench"],
};

/** Layer 6 composes processes, so its packages may import each other's lower layers freely. */
const composingLayer = 6;

/** What a core may not name, with the reason to give. */
const coreBans: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bfrom\s+"node:/, "Node's modules belong in drivers/"],
  [/\bnew Date\(\s*\)|\bDate\.now\b/, "take the time from a Clock"],
  [/\bMath\.random\b/, "take a Random"],
  [/\bset(Timeout|Interval|Immediate)\b/, "timers belong in drivers/, or take a Clock"],
  [
    /\bprocess\.(argv|cwd|env|exit|hrtime|kill|memoryUsage|nextTick|on|once|pid|platform|stderr|stdin|stdout)\b/,
    "process belongs in main.ts, options.ts or drivers/",
  ],
  [/\bconsole\./, "take a Logger"],
  [/\bawait\b|\basync\b/, "cores are synchronous"],
];

const breaches: string[] = [];
const packages = readPackages();
for (const pkg of packages.values()) {
  checkManifest(pkg);
  for (const file of sourceFiles(join(root, "packages", pkg.folder, "src"))) checkFile(pkg, file);
}
for (const breach of breaches) process.stdout.write(`${breach}\n`);
process.stdout.write(breaches.length === 0 ? `Layers hold in ${packages.size} packages.\n` : `${breaches.length} breaches.\n`);
process.exitCode = breaches.length === 0 ? 0 : 1;

function readPackages(): Map<string, Package> {
  const found = new Map<string, Package>();
  for (const folder of readdirSync(join(root, "packages"))) {
    const path = join(root, "packages", folder, "package.json");
    if (!existsSync(path)) continue;
    const manifest = readJSON(path) as {
      name: string;
      lenj?: { layer?: number };
      dependencies?: Record<string, string>;
      devDependencies?: Record<string, string>;
    };
    const layer = manifest.lenj?.layer;
    if (layer === undefined) {
      breaches.push(`${relative(root, path)}: has no "lenj": {"layer": n}`);
      continue;
    }
    found.set(manifest.name, {
      name: manifest.name,
      folder,
      layer,
      dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
      devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
      references: readReferences(folder),
    });
  }
  return found;
}

function readReferences(folder: string): Set<string> {
  const path = join(root, "packages", folder, "tsconfig.json");
  if (!existsSync(path)) return new Set();
  const { references = [] } = readJSON(path) as { references?: { path: string }[] };
  return new Set(references.map((reference) => reference.path.replace(/^\.\.\//, "").replace(/\/$/, "")));
}

function readJSON(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

function checkManifest(pkg: Package): void {
  for (const name of pkg.dependencies) {
    const target = packages.get(name);
    if (target !== undefined && !mayImport(pkg, target)) {
      breaches.push(`packages/${pkg.folder}/package.json: layer ${pkg.layer} may not depend on ${name} of layer ${target.layer}`);
    }
  }
  for (const folder of pkg.references) {
    const target = [...packages.values()].find((other) => other.folder === folder);
    if (target === undefined || mayImport(pkg, target) || pkg.devDependencies.has(target.name)) continue;
    breaches.push(`packages/${pkg.folder}/tsconfig.json: layer ${pkg.layer} may not refer to ${folder} of layer ${target.layer}`);
  }
}

function mayImport(from: Package, to: Package): boolean {
  const allowed = reservedFor[to.name];
  if (allowed !== undefined && !allowed.includes(from.name)) return false;
  return to.layer < from.layer || (from.layer === composingLayer && to.layer === composingLayer);
}

function* sourceFiles(folder: string): IterableIterator<string> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "gen") yield* sourceFiles(path);
    } else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

function checkFile(pkg: Package, path: string): void {
  const text = readFileSync(path, "utf8");
  const shown = relative(root, path);
  const isTest = /\.test\.tsx?$/.test(path) || path.includes("/src/testing/");
  for (const [, named, called, bare] of text.matchAll(
    /(?:^|\s)(?:import|export)\s[^"';]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)|^import\s+"([^"]+)"/gm,
  )) {
    const specifier = named ?? called ?? bare ?? "";
    if (specifier.startsWith("@lenj/")) checkImport(pkg, shown, specifier, isTest);
  }
  if (path.includes("/src/core/") && pkg.layer === 5 && !isTest) checkCore(shown, text);
}

function checkImport(pkg: Package, file: string, specifier: string, isTest: boolean): void {
  const [scope, folder, ...rest] = specifier.split("/");
  const name = `${scope}/${folder}`;
  const target = packages.get(name);
  if (rest[0] === "src" || rest[0] === "dist") breaches.push(`${file}: imports ${specifier}; use one of the package's doors`);
  if (target === undefined) {
    breaches.push(`${file}: imports ${specifier}, which is no package here`);
    return;
  }
  if (target === pkg) return;
  const isTestDoor = rest[0] === "testing" && isTest && pkg.devDependencies.has(name);
  if (!isTestDoor && !mayImport(pkg, target)) {
    breaches.push(`${file}: layer ${pkg.layer} may not import ${specifier} of layer ${target.layer}`);
  }
  if (!pkg.dependencies.has(name) && !pkg.devDependencies.has(name))
    breaches.push(`${file}: imports ${name}, which package.json does not name`);
  if (!pkg.references.has(target.folder)) breaches.push(`${file}: imports ${name}, which tsconfig.json does not refer to`);
}

function checkCore(file: string, text: string): void {
  const code = stripCommentsAndTexts(text);
  for (const [index, line] of code.split("\n").entries()) {
    for (const [pattern, instead] of coreBans) {
      const match = pattern.exec(line);
      if (match !== null) breaches.push(`${file}:${index + 1}: ${match[0].trim()} in a core: ${instead}`);
    }
  }
}

/** Keeps line numbers. Import paths survive, since a ban looks at them. */
function stripCommentsAndTexts(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|[^:"])\/\/.*$/gm, "$1")
    .replace(/`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (literal) =>
      literal.startsWith('"node:') ? literal : literal.replace(/[^\n]/g, " "),
    );
}
