// Who asks, and whether they may: the one place through which every call passes when authentication is on.
//
// E1. Every method has a rule; one without is refused. What depends on the request itself (keys, leases) its service checks with
//     core/auth/authorize.ts, and again every member when it applies the entry.
// E2. A permission is looked at after the last wait before the state is read or changed.
// Source: etcd server/etcdserver/api/v3rpc (auth, key, maintenance, member), CVE-2026-33413.

import type { DuplexHandler, RpcCall, RpcHandlers, RpcService, ServerStreamHandler, UnaryHandler } from "@lenj/rpc-server";
import { type AuthIdentity, nobody } from "../core/auth/auth-state.js";
import { requireIdentity } from "../core/auth/authorize.js";
import { simpleTokenIndex } from "../core/auth/simple-tokens.js";
import type { Command } from "../core/command.js";
import { StoreError } from "../core/errors.js";
import type { Replica } from "../replica/replica.js";

/**
 * - open: anybody
 * - request: decided by what is asked for, in the service or when it is applied
 * - identity: any user
 * - admin: users with role root
 */
export type AccessRule = "open" | "request" | "identity" | "admin";

export const accessRules: Readonly<Record<string, AccessRule>> = {
  ...rules("etcdserverpb.KV", { request: ["Range", "RangeStream", "Put", "DeleteRange", "Txn"], admin: ["Compact"] }),
  ...rules("etcdserverpb.Watch", { request: ["Watch"] }),
  ...rules("etcdserverpb.Lease", {
    identity: ["LeaseGrant", "LeaseRevoke", "LeaseTimeToLive", "LeaseLeases"],
    request: ["LeaseKeepAlive"],
  }),
  ...rules("etcdserverpb.Cluster", { identity: ["MemberList"], admin: ["MemberAdd", "MemberRemove", "MemberUpdate", "MemberPromote"] }),
  ...rules("etcdserverpb.Maintenance", {
    identity: ["Alarm", "Status"],
    admin: ["Defragment", "Hash", "HashKV", "Snapshot", "MoveLeader", "Downgrade"],
  }),
  ...rules("etcdserverpb.Auth", {
    open: ["AuthStatus", "Authenticate"],
    request: ["UserGet", "RoleGet"],
    admin: [
      ...["AuthEnable", "AuthDisable", "UserAdd", "UserList", "UserDelete", "UserChangePassword", "UserGrantRole", "UserRevokeRole"],
      ...["RoleAdd", "RoleList", "RoleDelete", "RoleGrantPermission", "RoleRevokePermission"],
    ],
  }),
  ...rules("v3lockpb.Lock", { request: ["Lock", "Unlock"] }),
  ...rules("v3electionpb.Election", { request: ["Campaign", "Proclaim", "Leader", "Observe", "Resign"] }),
  ...rules("grpc.health.v1.Health", { open: ["Check", "Watch"] }),
};

function rules(service: string, methods: Partial<Record<AccessRule, readonly string[]>>): Record<string, AccessRule> {
  const named = Object.entries(methods) as [AccessRule, readonly string[]][];
  return Object.fromEntries(named.flatMap(([rule, names]) => names.map((name) => [`/${service}/${name}`, rule])));
}

/** Tokens that are not simple. */
export interface SignedTokens {
  issue(identity: AuthIdentity): string;
  identify(token: string): AuthIdentity | undefined;
}

export interface AccessOptions {
  readonly replica: Pick<Replica, "state" | "linearizable" | "appliedIndex">;
  /** Local monotonic time. */
  readonly nowMs: () => number;
  /** Instead of simple tokens. */
  readonly signedTokens: SignedTokens | undefined;
  /** The CN of a verified client certificate is the user of a call without token. */
  readonly usesClientCertificates: boolean;
}

export class Access {
  constructor(readonly options: AccessOptions) {}

  /** Waits until this member knows the tokens that any member had given out before the call; undefined when there is nothing to wait for. */
  ready(call: RpcCall): Promise<void> | undefined {
    const { replica, signedTokens } = this.options;
    if (!replica.state.auth.isEnabled || signedTokens !== undefined) return undefined;
    const index = simpleTokenIndex(tokenOf(call) ?? "");
    return index === undefined || index <= replica.appliedIndex ? undefined : replica.linearizable();
  }

  /** Who calls; `nobody` while authentication is off, and for a call without credentials. Throws INVALID_AUTH_TOKEN. */
  identityOf(call: RpcCall): AuthIdentity {
    const { replica, nowMs, signedTokens, usesClientCertificates } = this.options;
    const { auth, tokens } = replica.state;
    if (!auth.isEnabled) return nobody;
    const token = tokenOf(call);
    if (token !== undefined) {
      if (signedTokens !== undefined) return signedTokens.identify(token) ?? refuse();
      return { username: tokens.use(token, nowMs()) ?? refuse(), revision: auth.revision };
    }
    const { commonName } = call.peer;
    return usesClientCertificates && commonName !== undefined ? { username: commonName, revision: auth.revision } : nobody;
  }

  /** What a command's entry says about who asked for it: nothing while authentication is off. */
  headerOf(call: RpcCall): Pick<Command, "header"> {
    if (!this.options.replica.state.auth.isEnabled) return {};
    const { username, revision } = this.identityOf(call);
    return username === "" ? {} : { header: { ID: 0n, username, authRevision: revision } };
  }

  /** Throws what the method's rule says against the call. */
  check(call: RpcCall): void {
    const { state } = this.options.replica;
    if (!state.auth.isEnabled) return;
    const rule = accessRules[call.path];
    // What is wrong with a request in itself is told first, so that its service looks at who asks.
    if (rule === "open" || rule === "request") return;
    const identity = this.identityOf(call);
    if (rule === "identity") requireIdentity(state, identity);
    else state.auth.checkAdmin(identity);
  }

  /** The handlers behind their rules. */
  secure(service: RpcService, handlers: RpcHandlers): RpcHandlers {
    const secured = Object.entries(handlers).map(([name, handler]) => {
      const method = service[name];
      if (method?.requestStream === true) return [name, this.#stream(handler as DuplexHandler<never, never>)];
      if (method?.responseStream === true) return [name, this.#serverStream(handler as ServerStreamHandler<never, never>)];
      return [name, this.#unary(handler as UnaryHandler<never, unknown>)];
    });
    return Object.fromEntries(secured) as RpcHandlers;
  }

  #unary(handler: UnaryHandler<never, unknown>): UnaryHandler<never, unknown> {
    return (request, call) => {
      if (!this.options.replica.state.auth.isEnabled) return handler(request, call);
      const run = (): unknown => {
        this.check(call);
        return handler(request, call);
      };
      const waiting = this.ready(call);
      return waiting === undefined ? run() : waiting.then(run);
    };
  }

  #serverStream(handler: ServerStreamHandler<never, never>): ServerStreamHandler<never, never> {
    return (request, stream) => {
      const run = (): void => {
        this.check(stream);
        handler(request, stream);
      };
      const waiting = this.ready(stream);
      if (waiting === undefined) run();
      else waiting.then(run).catch((error: unknown) => stream.fail(error));
    };
  }

  /** Only what the rule alone says; each message is checked by the handler, by way of inOrder(). */
  #stream(handler: DuplexHandler<never, never>): DuplexHandler<never, never> {
    return (stream) => {
      if (accessRules[stream.path] !== "request") this.check(stream);
      handler(stream);
    };
  }

  /** Hands a stream's messages over in their order, each once this member can tell who sent it. */
  inOrder<Request>(call: RpcCall, handle: (message: Request) => void, onError: (error: unknown) => void): (message: Request) => void {
    let last: Promise<void> | undefined;
    return (message) => {
      const waiting = this.ready(call);
      if (last === undefined && waiting === undefined) {
        handle(message);
        return;
      }
      const before = last;
      const turn = (async () => {
        await before;
        await waiting;
        handle(message);
      })();
      last = turn;
      turn.catch(onError).finally(() => {
        if (last === turn) last = undefined;
      });
    };
  }
}

/** etcd's header, or the one that HTTP clients send; "Bearer " may precede it. */
function tokenOf({ metadata }: RpcCall): string | undefined {
  return (metadata.get("token") ?? metadata.get("authorization"))?.replace(/^Bearer /, "");
}

function refuse(): never {
  throw new StoreError("INVALID_AUTH_TOKEN");
}
