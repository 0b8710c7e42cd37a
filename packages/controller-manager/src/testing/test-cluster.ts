// Controllers on a FakeApiClient under a manual clock: what unit tests of whole controllers stand on.
import { type Logger, SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { EventSink, InformerFactory } from "@lenj/client";
import { FakeApiClient, settle } from "@lenj/client/testing";
import { noQueueMetrics } from "@lenj/controller-runtime";
import { type ControllerManagerConfig, defaultConfig } from "../config.js";
import type { Controller, ControllerContext, ControllerFactory } from "../controller-context.js";

export interface TestCluster {
  readonly clock: ManualClock;
  readonly client: FakeApiClient;
  readonly context: ControllerContext;
  /** Lets everything happen that is due within `ms`. */
  pass(ms?: number): Promise<void>;
  close(): Promise<void>;
}

export interface TestClusterOptions {
  readonly controllers: readonly ControllerFactory[];
  readonly config?: Partial<ControllerManagerConfig>;
  readonly logger?: Logger;
  /** Runs before the controllers start. */
  readonly seed?: (client: FakeApiClient) => Promise<void>;
}

export async function startTestCluster(options: TestClusterOptions): Promise<TestCluster> {
  const clock = new ManualClock();
  const client = new FakeApiClient({ clock });
  await options.seed?.(client);
  const random = new SeededRandom(42);
  const logger = options.logger ?? silentLogger;
  const informers = new InformerFactory({ client, clock, random, logger, freeze: true });
  const events = new EventSink({ client, clock, random, logger });
  const context: ControllerContext = {
    client,
    informers,
    clock,
    random,
    logger,
    config: { ...defaultConfig, ...options.config },
    recorder: (component) => events.recorder(component),
    queueMetrics: () => noQueueMetrics,
  };
  const controllers: Controller[] = options.controllers.map((create) => create(context));
  informers.start();
  for (const controller of controllers) controller.start();
  const pass = async (ms = 0): Promise<void> => {
    const targetMs = clock.monotonicMs() + ms;
    await settle(20);
    for (let dueMs = clock.nextDueInMs(); dueMs !== undefined && clock.monotonicMs() + dueMs <= targetMs; dueMs = clock.nextDueInMs()) {
      clock.advance(dueMs);
      await settle(20);
    }
    clock.advance(targetMs - clock.monotonicMs());
    await settle(20);
  };
  const close = async (): Promise<void> => {
    await Promise.all(controllers.map((controller) => controller.close()));
    await events.close();
    await informers.close();
    await client.close();
  };
  await pass();
  return { clock, client, context, pass, close };
}
