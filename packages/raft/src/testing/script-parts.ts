// The words of raft scripts: how members, logs, sizes, changes and selections of messages are written.

import type { ConfChange, ConfChangeSingle, ConfChangeType, Entry, MemberID, Message } from "../types.js";

const changeTypes: Readonly<Record<string, ConfChangeType>> = { v: "addVoter", l: "addLearner", r: "remove", u: "update" };
const transitions = ["auto", "jointImplicit", "jointExplicit"] as const;

/** Splits at spaces, but not inside brackets. */
export const splitWords = (text: string): string[] => text.match(/[^\s[]*\[[^\]]*\]|\S+/g) ?? [];

export const parseID = (text: string): MemberID => BigInt(text);
export const parseIDs = (text: string): MemberID[] => text.split(",").map(BigInt);

/** `[1.1 2.2"text"]`: entries 1, 2, ... */
export function parseLog(text: string): Entry[] {
  return splitWords(text.slice(1, -1)).map((word, i): Entry => {
    const match = /^(\d+)\.(\d+)(?:"(.*)")?$/.exec(word);
    if (match === null || Number(match[2]) !== i + 1) throw new Error(`Cannot read log entry ${word}: must be term.${i + 1}`);
    return { term: Number(match[1]), index: i + 1, type: "normal", data: parseText(match[3] ?? "") };
  });
}

/** `1,2=x 3=y` as a map by member; reading ends before the first word of another form, whose position is the second result. */
export function parseByMember(words: readonly string[], start: number): [Map<MemberID, string>, number] {
  const values = new Map<MemberID, string>();
  let at = start;
  for (let match = words[at]?.match(/^([\d,]+)=(.*)$/); match; match = words[at]?.match(/^([\d,]+)=(.*)$/)) {
    for (const id of parseIDs(match[1] as string)) values.set(id, match[2] as string);
    at += 1;
  }
  return [values, at];
}

/** `text`, or `x*100` for a hundred of them. */
export function parseText(text: string): Uint8Array {
  const [unit = "", count = "1"] = text.split("*");
  return new TextEncoder().encode(unit.repeat(Number(count)));
}

/** `v4 l1 r2 [jointExplicit]`. */
export function parseChange(words: readonly string[]): ConfChange {
  const changes: ConfChangeSingle[] = [];
  let transition: ConfChange["transition"] = "auto";
  for (const word of words) {
    const named = transitions.find((name) => name === word);
    const type = changeTypes[word[0] ?? ""];
    if (named !== undefined) transition = named;
    else if (type !== undefined) changes.push({ type, memberID: parseID(word.slice(1)) });
    else throw new Error(`Cannot read change ${word}`);
  }
  return { transition, changes, context: new Uint8Array(0) };
}

/** `1>2`, `>2`, `1>`, and message types; a message must fit all kinds of words given, and one word of each kind. */
export function parseFilter(words: readonly string[]): (message: Message) => boolean {
  const links = words.filter((word) => word.includes(">")).map((word) => word.split(">"));
  const types = words.filter((word) => !word.includes(">"));
  const isOne = (ids: string | undefined, id: MemberID): boolean => ids === undefined || ids === "" || parseIDs(ids).includes(id);
  return ({ type, from, to }) =>
    (types.length === 0 || types.includes(type)) && (links.length === 0 || links.some(([a, b]) => isOne(a, from) && isOne(b, to)));
}

/** `name=value`, with numbers and booleans as such. */
export function parseSettings(words: readonly string[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    words.map((word) => {
      const [name = "", value = ""] = word.split("=");
      if (value === "true" || value === "false") return [name, value === "true"];
      return [name, Number.isNaN(Number(value)) ? value : Number(value)];
    }),
  );
}
