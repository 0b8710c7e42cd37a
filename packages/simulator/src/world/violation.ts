/** A guarantee that did not hold in a run. `rule` names it; the message says where. */
export class Violation extends Error {
  override readonly name = "Violation";
  constructor(
    readonly rule: string,
    message: string,
  ) {
    super(`${rule}: ${message}`);
  }
}
