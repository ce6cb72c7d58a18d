/**
 * Refused records affect no other records, over real gRPC; `npm run faults:refusals` runs the large
 * version.
 */
import { assert, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { all, many, one, type Part } from "./refusals.ts"
import { type Manner, type RefusingServer, startRefusingServer } from "./refusingServer.ts"

const atOnce: Manner = { ackAfter: 5, refuses: "at once", unacknowledged: "lost" }

const parts: Readonly<Record<string, (server: RefusingServer) => Effect.Effect<Part>>> = {
  "one of 20,000, acknowledged first": (server) => one(server, 20_000, 2, 1, "first"),
  "one of 5,000, acknowledged later": (server) => one(server, 5_000, 2, 1, "later"),
  "ten of 1,000, in order": (server) => many(server, 1_000, 1, { ...atOnce, refuses: "in order" }),
  "ten of 1,000, at once": (server) => many(server, 1_000, 1, atOnce),
  "all of 500": (server) => all(server, 500, atOnce, 20)
}

for (const [name, part] of Object.entries(parts)) {
  it.live(
    `bad records (${name}) are refused alone and in order`,
    () =>
      Effect.acquireUseRelease(
        Effect.promise(startRefusingServer),
        (server) =>
          Effect.map(part(server), ({ problems }) => assert.deepStrictEqual(problems, [])),
        ({ close }) => Effect.sync(close)
      ).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    60_000
  )
}
