import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcHandlers } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";

/** Users and roles are not kept yet: authentication is off, and says so. */
export function authService({ replica, header }: ServiceContext): RpcHandlers {
  const headerNow = (): etcdserverpb.ResponseHeader => header(replica.state.space.currentRevision);
  return {
    authStatus: (): etcdserverpb.AuthStatusResponse => ({ header: headerNow(), enabled: false, authRevision: 1 }),
    authenticate: () => Promise.reject(new StoreError("AUTH_NOT_ENABLED")),
    authEnable: () => Promise.reject(new StoreError("ROOT_USER_NOT_EXIST")),
    authDisable: (): etcdserverpb.AuthDisableResponse => ({ header: headerNow() }),
  };
}
