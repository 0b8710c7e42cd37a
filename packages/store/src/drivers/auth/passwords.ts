// Password hashes, made and compared on the thread pool: at the default cost one takes tens of milliseconds.
import bcrypt from "bcrypt";
import { StoreError } from "../../core/errors.js";

/** bcrypt looks at no more; a longer password would be cut without a word. */
const passwordBytesMax = 72;

/** Base64 of a bcrypt hash, as log entries carry it. Throws PASSWORD_TOO_LONG. `cost` is the base-2 logarithm of the rounds. */
export async function hashPassword(password: string, cost: number): Promise<string> {
  if (Buffer.byteLength(password) > passwordBytesMax) throw new StoreError("PASSWORD_TOO_LONG");
  return Buffer.from(await bcrypt.hash(password, cost)).toString("base64");
}

export function isPassword(password: string, hash: Uint8Array): Promise<boolean> {
  return bcrypt.compare(password, Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString());
}
