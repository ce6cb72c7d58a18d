/**
 * Detects a program that opens a stream per record or request instead of keeping one open. Every
 * stream costs a connection, a token and a handshake.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { shielded } from "./shield.ts"

/** Streams to one table within the window that cause a warning. */
const MANY = 100
const WINDOW = 60_000

const mute = Config.String("ZEROBUS_SDK_WARNINGS_ENABLED").pipe(
  Effect.map((value) => ["false", "0", "no"].includes(value.trim().toLowerCase())),
  Effect.orElseSucceed(() => false)
)

/**
 * Makes a counter of opened streams: it logs one warning per table and minute from the hundredth
 * stream on. Muted by `ZEROBUS_SDK_WARNINGS_ENABLED` set to `false`, `0` or `no`.
 */
export const makeStreamChurn: Effect.Effect<(tableName: string) => Effect.Effect<void>> =
  Effect.gen(function* () {
    const muted = yield* mute
    const windows = new Map<string, { readonly since: number; count: number }>()
    return (tableName) =>
      muted
        ? Effect.void
        : Effect.clockWith((clock) => {
            const now = clock.currentTimeMillisUnsafe()
            let window = windows.get(tableName)
            if (window === undefined || now - window.since >= WINDOW) {
              for (const [table, { since }] of windows)
                if (now - since >= WINDOW) windows.delete(table)
              windows.set(tableName, (window = { since: now, count: 0 }))
            }
            return ++window.count === MANY
              ? shielded(
                  Effect.logWarning(
                    `${MANY} streams to one table within a minute: keep a stream open and ` +
                      `ingest many records over it`,
                    { table: tableName }
                  )
                )
              : Effect.void
          })
  })
