/**
 * Scenarios that no test can cover here, and why: they need a live service, belong to another language's surface, or ask for
 * something that this client decided not to have. What can be tested is tested, and does not stand here.
 */
export const notApplicable: Readonly<Record<string, string>> = {}
