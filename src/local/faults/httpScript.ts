/**
 * Scripted faults of the HTTP endpoint: what the next requests to the token endpoint or the catalog
 * get instead of the usual response.
 */

/**
 * The part of the HTTP endpoint that a fault strikes.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpPart = "token" | "catalog"

/**
 * A fault of the next requests to a part.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpFault {
  /** The part that it strikes. */
  readonly at: HttpPart
  /** The number of requests that it strikes; default 1. */
  readonly times?: number | undefined
  /** What the requests get. */
  readonly action:
    | {
        readonly _tag: "Answer"
        /** The status of the answer. */
        readonly status: number
        /** The body of the answer. */
        readonly body: string
        /** Headers of the answer; default none. */
        readonly headers?: Readonly<Record<string, string>> | undefined
      }
    /** Answers as usual, after this many milliseconds. */
    | {
        readonly _tag: "Delay"
        /** The delay in milliseconds. */
        readonly millis: number
      }
    /** Never answers. */
    | { readonly _tag: "Hang" }
    /** Answers as usual. */
    | { readonly _tag: "Pass" }
    /** Answers with a token that is valid for this many milliseconds. */
    | {
        readonly _tag: "TokenLife"
        /** The lifetime of the token, in milliseconds. */
        readonly millis: number
      }
}

/** The pending faults, and the number of requests. */
export interface HttpScript {
  readonly inject: (fault: HttpFault) => void
  readonly clear: () => void
  /** Counts a request, and returns the action for it. */
  readonly next: (part: HttpPart) => HttpFault["action"] | undefined
  readonly count: (part: HttpPart) => number
}

/**
 * Creates an empty script. `onRequest` is called with each request and the fault that strikes it.
 */
export const makeHttpScript = (
  onRequest: (part: HttpPart, action: HttpFault["action"] | undefined) => void = () => {}
): HttpScript => {
  let armed: Array<{ readonly fault: HttpFault; left: number }> = []
  const counts = { token: 0, catalog: 0 }
  return {
    inject: (fault) => {
      armed.push({ fault, left: fault.times ?? 1 })
    },
    clear: () => {
      armed = []
    },
    next: (part) => {
      counts[part]++
      const entry = armed.find(({ fault }) => fault.at === part)
      onRequest(part, entry?.fault.action._tag === "Pass" ? undefined : entry?.fault.action)
      if (entry === undefined) return undefined
      entry.left--
      if (entry.left <= 0) armed = armed.filter((other) => other !== entry)
      return entry.fault.action
    },
    count: (part) => counts[part]
  }
}
