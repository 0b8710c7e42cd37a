export { type ComponentContext, type ComponentDefinition, type RunningComponent, runComponent } from "./component.js";
export {
  boolFlag,
  durationFlag,
  type FlagSpec,
  type FlagSpecs,
  type FlagValues,
  floatFlag,
  formatDuration,
  formatUsage,
  intFlag,
  listFlag,
  mapFlag,
  type ParsedFlags,
  parseDuration,
  parseFlags,
  stringFlag,
} from "./flags.js";
export {
  answerHealth,
  type HealthCheck,
  HealthChecks,
  type HealthEndpoint,
  type HealthReport,
  type HealthServer,
  type HealthServerOptions,
  serveHealth,
} from "./health.js";
export { createLogger, type LogFormat, type LoggingChoice, type LoggingOptions, type LogLevel } from "./logging.js";
export { createMetrics } from "./metrics.js";
export { readTLSFiles, serverIdentity, type TLSFiles, type TLSMaterial, validateTLSFiles, watchTLSFiles } from "./tls-files.js";
