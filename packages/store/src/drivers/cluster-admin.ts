// The members of a cluster that runs, asked for and changed by way of any of its endpoints.
import { status as grpcCode, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { MemberView } from "../commands/member-plan.js";
import { authenticate, channelOf, type EndpointAccess } from "./endpoint-channel.js";

const callTimeoutMs = 10_000;
const statusTimeoutMs = 2_000;

type Answer<T> = (error: ServiceError | null, response: T) => void;
interface Bound {
  readonly client: etcdserverpb.ClusterClient;
  readonly metadata: Metadata;
  readonly options: { readonly deadline: number };
}

/** What a failed call says, without gRPC's code before it. */
export const detailsOf = (error: unknown): string => (error as Partial<ServiceError>).details ?? String(error);

export class ClusterAdmin {
  constructor(
    private readonly endpoints: readonly string[],
    private readonly access: EndpointAccess,
  ) {}

  /** All members, each asked whether it is there. Rejects when no endpoint knows, or there is no quorum to tell. */
  async members(): Promise<MemberView[]> {
    const { members } = await this.#ask<etcdserverpb.MemberListResponse>(({ client, metadata, options }, answer) =>
      client.memberList({ linearizable: true }, metadata, options, answer),
    );
    return Promise.all(
      members.map(async ({ ID: id, name, peerURLs, clientURLs, isLearner }) => ({
        ...{ id, name, peerURLs, clientURLs, isLearner },
        isUp: await this.#isUp(clientURLs),
      })),
    );
  }

  async addLearner(peerURLs: readonly string[]): Promise<bigint> {
    const { member } = await this.#ask<etcdserverpb.MemberAddResponse>(({ client, metadata, options }, answer) =>
      client.memberAdd({ peerURLs: [...peerURLs], isLearner: true }, metadata, options, answer),
    );
    return member?.ID ?? 0n;
  }

  async promote(ID: bigint): Promise<void> {
    await this.#ask(({ client, metadata, options }, answer) => client.memberPromote({ ID }, metadata, options, answer));
  }

  async remove(ID: bigint): Promise<void> {
    await this.#ask(({ client, metadata, options }, answer) => client.memberRemove({ ID }, metadata, options, answer));
  }

  /** The next endpoint is asked when one is not there, or is a learner, which knows no more than itself. */
  async #ask<T>(call: (bound: Bound, answer: Answer<T>) => unknown): Promise<T> {
    let failure: unknown = new Error("no endpoint was given");
    for (const endpoint of this.endpoints) {
      try {
        return await this.#askAt(endpoint, call);
      } catch (error) {
        failure = error;
        const isElsewhere = (error as ServiceError).code === grpcCode.UNAVAILABLE && !detailsOf(error).startsWith("etcdserver: unhealthy");
        if (!isElsewhere && !detailsOf(error).includes("not supported for learner")) throw error;
      }
    }
    throw failure;
  }

  async #askAt<T>(endpoint: string, call: (bound: Bound, answer: Answer<T>) => unknown): Promise<T> {
    const metadata = await authenticate(endpoint, this.access);
    const client = new etcdserverpb.ClusterClient(...channelOf(endpoint, this.access));
    const options = { deadline: Date.now() + callTimeoutMs };
    return new Promise<T>((resolve, reject) => {
      call({ client, metadata, options }, (error, response) => (error === null ? resolve(response) : reject(error)));
    }).finally(() => client.close());
  }

  async #isUp(clientURLs: readonly string[]): Promise<boolean> {
    const answers = await Promise.all(clientURLs.map((url) => this.#hasLeader(url).catch(() => false)));
    return answers.includes(true);
  }

  /** One that answers without knowing a leader is as good as away. */
  async #hasLeader(url: string): Promise<boolean> {
    const metadata = await authenticate(url, this.access);
    const client = new etcdserverpb.MaintenanceClient(...channelOf(url, this.access));
    return new Promise<boolean>((resolve, reject) => {
      client.status({}, metadata, { deadline: Date.now() + statusTimeoutMs }, (error, { leader } = { leader: 0n } as never) =>
        error === null ? resolve(leader !== 0n) : reject(error),
      );
    }).finally(() => client.close());
  }
}
