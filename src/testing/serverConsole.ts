/**
 * The console of a local server with sockets: combines the feed, the access check and the routes,
 * and converts the page's buttons to scripted faults.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import { makeConsoleAccess } from "../local/console/consoleAccess.ts"
import { type ConsoleFeed, makeConsoleFeed } from "../local/console/consoleFeed.ts"
import type { FaultName, ServerInfo } from "../local/console/consoleMessages.ts"
import { type ConsoleRoutes, consoleRoutes } from "../local/console/consoleRoutes.ts"
import type { Fault, FaultScript } from "../local/faults/faultScript.ts"
import type { TableStoreShape } from "../local/store/tableStore.ts"
import type { Timers } from "../local/timers.ts"
import * as Faults from "./Faults.ts"

/** The console of one server. */
export interface ServerConsole {
  readonly feed: ConsoleFeed
  readonly routes: ConsoleRoutes
  /** The fragment of the link that opens it. */
  readonly fragment: Redacted.Redacted<string>
}

/** The parts of a server that a console shows and scripts. */
export interface ConsoleOf {
  readonly store: TableStoreShape
  readonly timers: Timers
  readonly scheme: "http" | "https"
  /** The folder of the tables. Undefined in memory. */
  readonly dataDir: string | undefined
  /** The script of a table that exists. */
  readonly scriptOf: (tableName: string) => FaultScript
  readonly secret: Redacted.Redacted<string>
  /** Read once the server listens. */
  readonly environment: () => Pick<ServerInfo, "environment" | "secretName">
}

/**
 * The faults of each button. A stall holds all acknowledgements of the table until the faults are
 * cleared.
 */
const faults: Readonly<Record<Exclude<FaultName, "clear">, ReadonlyArray<Fault>>> = {
  disconnect: [Faults.disconnect({})],
  stall: [Faults.hold("ack", undefined, { times: Infinity })],
  refuse: [Faults.fail({ status: "INVALID_ARGUMENT", message: "Refused by the console." })],
  expireToken: [Faults.expireToken()]
}

/** Creates the console of a server. */
export const makeServerConsole = Effect.fnUntraced(function* (
  given: ConsoleOf
): Effect.fn.Return<ServerConsole> {
  const { dataDir = null, environment, scheme, scriptOf, secret, store, timers } = given
  const { pageFiles } = yield* Effect.promise(() => import("#console-page"))
  const page = yield* Effect.promise(pageFiles)
  const storage = dataDir === null ? "memory" : "disk"
  const fixed = { instance: randomUUID(), startedAt: timers.now(), storage, dataDir } as const
  const feed = makeConsoleFeed({
    store,
    timers,
    storage,
    server: () => ({ ...fixed, ...environment() }),
    pendingFaults: (name) => scriptOf(name).pending()
  })
  const access = makeConsoleAccess(scheme)
  const inject = (name: string, fault: FaultName) =>
    Effect.map(store.get(name), (found) => {
      if (Option.isNone(found)) return false
      const script = scriptOf(name)
      if (fault === "clear") {
        script.clear()
        script.releaseUnsafe()
      } else for (const one of faults[fault]) script.inject(one)
      return true
    })
  const routes = consoleRoutes({ access, feed, store, page, secret, inject })
  return { feed, routes, fragment: access.fragment }
})
