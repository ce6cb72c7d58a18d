/**
 * Checks a run against the rules of the protocol and the promises of the client. It does not depend
 * on how they are implemented. It reads a history and reports what contradicts a rule (I1 to I14 of
 * the invariants; I15, the same trace for the same seed, is compared elsewhere).
 */
import { checkConnections } from "./connectionRules.ts"
import { checkDelivery } from "./deliveryRules.ts"
import { checkFaces } from "./faceRules.ts"
import { checkFailures } from "./failureRules.ts"
import type { HistoryEvent } from "./history.ts"
import { checkJournal } from "./journalRules.ts"
import { checkLiveness } from "./livenessRules.ts"
import type { Profile } from "./plan.ts"
import { checkRefusals } from "./refusalRules.ts"
import { checkTokens } from "./tokenRules.ts"
import { makeView } from "./view.ts"

/** Checks a history. Each violation starts with the rule it breaks. */
export const check = (
  events: ReadonlyArray<HistoryEvent>,
  profile: Profile
): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const report = (rule: string, text: string) => void violations.push(`${rule}: ${text}`)
  const view = makeView(events, profile)
  checkJournal(view, report)
  checkDelivery(view, report)
  checkConnections(view, report)
  checkFailures(view, report)
  checkRefusals(view, report)
  checkFaces(view, report)
  checkTokens(view, report)
  checkLiveness(view, report)
  return violations
}
