// Random requests about users and roles, few enough that they meet.
import type { Random } from "@lenj/base";
import { authpb } from "@lenj/proto/etcd";
import type { UnaryRequest } from "./methods.js";

const users = ["root", "alice", "bob"];
const roles = ["root", "reader", "writer"];
const passwords = ["p", "q"];

export interface KeySource {
  key(): Buffer;
  end(): Buffer;
}

export class AuthRequests {
  /** By key, in hex. */
  readonly #ends = new Map<string, Buffer>();

  constructor(
    private readonly random: Random,
    private readonly keys: KeySource,
  ) {}

  /** Who asks while authentication is on; most often someone that may. */
  user(): string | undefined {
    return this.#pick(["root", "root", "alice", "bob", undefined]);
  }

  /** Who authenticates brings no token: 3.4 would look at it. */
  nextAs(user: string | undefined): UnaryRequest {
    const request = this.next();
    return request.name === "Auth/Authenticate" ? request : { ...request, user };
  }

  next(): UnaryRequest {
    const user = this.random.below(4) === 0 ? this.#pick([...users, ""]) : this.#pick(users);
    const role = this.random.below(4) === 0 ? this.#pick([...roles, "none"]) : this.#pick(roles);
    const password = this.#pick(passwords);
    switch (this.random.below(22)) {
      case 0:
        return { name: "Auth/UserGet", message: { name: user } };
      case 1:
        return { name: "Auth/UserList", message: {} };
      case 2:
        return { name: "Auth/UserDelete", message: { name: user } };
      case 3:
        return { name: "Auth/UserChangePassword", message: { name: user, password, hashedPassword: "" } };
      case 4:
        return { name: "Auth/UserRevokeRole", message: { name: user, role } };
      case 5:
        return { name: "Auth/RoleGet", message: { role } };
      case 6:
        return { name: "Auth/RoleList", message: {} };
      case 7:
        return { name: "Auth/RoleDelete", message: { role } };
      case 8:
        return this.#revoke(role);
      case 9:
      case 10:
        return { name: "Auth/AuthEnable", message: {} };
      case 11:
      case 12:
      case 13:
        return this.#userAdd(user, password);
      case 14:
      case 15:
        return { name: "Auth/UserGrantRole", message: { user, role } };
      case 16:
        return { name: "Auth/RoleAdd", message: { name: role } };
      case 17:
      case 18:
        return this.#grant(role);
      case 19:
        return { name: "Auth/AuthDisable", message: {} };
      default:
        return this.authenticate(user);
    }
  }

  authenticate(user = this.#pick(users)): UnaryRequest {
    return { name: "Auth/Authenticate", message: { name: user, password: this.#pick(passwords) } };
  }

  /** Root always has a password: without one nobody could end authentication again. */
  #userAdd(user: string, password: string): UnaryRequest {
    const noPassword = user !== "root" && this.random.below(6) === 0;
    return {
      name: "Auth/UserAdd",
      message: { name: user, password: noPassword ? "" : password, options: { noPassword }, hashedPassword: "" },
    };
  }

  /** Every other time of what was granted, to somebody. */
  #revoke(role: string): UnaryRequest {
    const [key, end] = [this.keys.key(), this.keys.end()];
    const granted = this.#ends.get(key.toString("hex"));
    const rangeEnd = granted !== undefined && this.random.below(2) === 0 ? granted : end;
    return { name: "Auth/RoleRevokePermission", message: { role, key, rangeEnd } };
  }

  #grant(role: string): UnaryRequest {
    const permType = this.#pick([authpb.Permission_Type.READ, authpb.Permission_Type.WRITE, authpb.Permission_Type.READWRITE]);
    const [drawn, end] = [this.keys.key(), this.keys.end()];
    const key = drawn.length === 0 ? Buffer.from("a") : drawn;
    // 3.4 takes ranges that are none; later releases refuse them.
    const isRange = end.length === 0 || end.equals(Buffer.of(0)) || Buffer.compare(key, end) < 0;
    const rangeEnd = this.#endOf(key, isRange ? end : Buffer.alloc(0));
    return { name: "Auth/RoleGrantPermission", message: { name: role, perm: { permType, key, rangeEnd } } };
  }

  /**
   * One end a key, the first that is drawn. With more, etcd of all releases compares a grant with one of the key's permissions only, and
   * where that has another end adds a second for the same range instead of changing the first: who may do less by now may still do all.
   * We change it, and the two would no longer let the same through.
   */
  #endOf(key: Buffer, drawn: Buffer): Buffer {
    const name = key.toString("hex");
    const end = this.#ends.get(name) ?? drawn;
    this.#ends.set(name, end);
    return end;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }
}
