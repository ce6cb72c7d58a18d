/**
 * Scenarios that no test can cover here, with the reason: they need a live service, belong to
 * another language's API, or require a feature that this client does not have. Scenarios that can
 * be tested are tested, even where the decision differs, and are not listed here.
 */
export const notApplicable: Readonly<Record<string, string>> = {
  "CR-26":
    "createStream succeeds with its first session, so nothing opens in the background; CR-03 " +
    "and CR-06 show its failures",
  "CR-27": "createStream succeeds with its first session, so nothing opens in the background",
  "CR-37": "needs a live workspace",
  "CR-38": "there is one form of call, an Effect; the caller decides whether it runs synchronously",
  "IN-21":
    "encoding is synchronous and there is no lock: two encodings cannot overlap in one " +
    "JavaScript thread",
  "IN-36": "needs a live workspace",
  "RC-14":
    "differs: an acknowledgement without its offset is final (AK-02), because no further " +
    "response can be trusted",
  "PS-27": "a failed send is only seen as a lost connection, which PS-12 and PS-24 cover",
  "UN-14": "needs a live workspace",
  "CB-13": "there are no callback objects; receipts, durableOffsets and onUnacked take their place",
  "CB-14": "there are no callback objects, and one kind of stream",
  "CB-15": "needs a live workspace",
  "HA-04":
    "no ambient metadata exists to merge with a provider's headers; HA-08 covers the absent token",
  "AR-37": "grpc-js marks no header as sensitive; no error, log or span quotes one (test/security)",
  "CV-06": "TableProperties.json takes no descriptor, so none can be given for JSON",
  "CV-12": "there is one kind of stream; telemetry is Effect's Metric for all of them",
  "CV-17": "there is no builder: options are plain values",
  "CV-18": "there is no builder: options are plain values",
  "LZ-04":
    "the zone removes by count from its head; the session refuses an acknowledgement beyond the " +
    "sent requests (AK-03)"
}
