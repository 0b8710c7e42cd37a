// Users and groups of an image, from the texts of its /etc/passwd and /etc/group.
// Upstream: moby/sys/user, as containerd uses it for USER, runAsUser and runAsUserName.

export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

export interface AccountFiles {
  /** Empty when the image has none. */
  readonly passwd: string;
  readonly group: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Resolves "user", "uid", "user:group", "uid:gid". A number needs no entry; a name does.
 * `groups` are the ones that /etc/group lists the user in. Throws RangeError, in containerd's words, for unknown names.
 */
export function resolveUser(text: string, files: AccountFiles): Account {
  const [named = "", groupText] = text.split(":");
  // Nobody named is root, with what the files say of root.
  const userText = named === "" ? "0" : named;
  const accounts = parsePasswd(files.passwd);
  const groups = parseGroup(files.group);
  const isNumber = /^\d+$/.test(userText);
  const entry =
    accounts.find((account) => account.name === userText) ??
    (isNumber ? accounts.find((account) => account.uid === Number(userText)) : undefined);
  if (entry === undefined && !isNumber) throw new RangeError("no users found");
  const uid = entry?.uid ?? Number(userText);
  const gid = groupText === undefined || groupText === "" ? (entry?.gid ?? 0) : resolveGroup(groupText, groups);
  const memberships = entry === undefined ? [] : groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid);
  return { uid, gid, groups: memberships, home: entry?.home || "/" };
}

function resolveGroup(text: string, groups: readonly GroupEntry[]): number {
  const entry = groups.find((group) => group.name === text);
  if (entry !== undefined) return entry.gid;
  if (/^\d+$/.test(text)) return Number(text);
  throw new RangeError("no groups found");
}

function parsePasswd(text: string): PasswdEntry[] {
  return rows(text, 7)
    .map(([name = "", , uid, gid, , home = ""]) => ({ name, uid: Number(uid), gid: Number(gid), home }))
    .filter((entry) => Number.isInteger(entry.uid));
}

function parseGroup(text: string): GroupEntry[] {
  return rows(text, 3).map(([name = "", , gid, members = ""]) => ({
    name,
    gid: Number(gid),
    members: members.split(",").filter((member) => member !== ""),
  }));
}

function rows(text: string, fieldsMin: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim().split(":"))
    .filter((fields) => fields.length >= fieldsMin && !fields[0]?.startsWith("#"));
}
