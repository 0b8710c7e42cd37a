// A short account of what differs between two values, for messages that say what may not change.

const linesMax = 20;

/** One line a difference: `  - containers[0].command: ["a"]` for what was, `+` for what would be. */
export function describeDifference(before: unknown, after: unknown): string {
  const lines: string[] = [];
  collect(before, after, { path: "", lines });
  const shown = lines.slice(0, linesMax);
  if (lines.length > linesMax) shown.push(`  ... ${lines.length - linesMax} more`);
  return `${shown.join("\n")}\n`;
}

function collect(before: unknown, after: unknown, to: { path: string; lines: string[] }): void {
  if (Object.is(before, after) || (before ?? undefined) === (after ?? undefined)) return;
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const step = Array.isArray(before) ? `[${key}]` : to.path === "" ? key : `.${key}`;
      collect((before as Record<string, unknown>)[key], (after as Record<string, unknown>)[key], { path: to.path + step, lines: to.lines });
    }
    return;
  }
  if (before !== undefined) to.lines.push(`  - ${to.path}: ${JSON.stringify(before)}`);
  if (after !== undefined) to.lines.push(`  + ${to.path}: ${JSON.stringify(after)}`);
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
