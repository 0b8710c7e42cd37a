import type { AdmissionDependencies, AdmissionModule } from "./ports.js";

export { AdmissionChain } from "./chain.js";

/** The plugins that are on, in upstream's order. */
export function createAdmission(_dependencies: AdmissionDependencies): AdmissionModule {
  return { plugins: [], hooks: [], close: () => Promise.resolve() };
}
