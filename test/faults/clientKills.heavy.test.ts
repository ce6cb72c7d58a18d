/** 200 kills of a client with a spool, aimed and at random, with the server killed in a third of them; `npm run faults:client-kill` has more. */
import { assert, it } from "@effect/vitest"
import { killClients } from "./killedClients.ts"

it("200 kills of a client with a spool lose nothing, and double only what was in the spool at a kill", async () => {
  const { aims, doubledWrongly, lost, serverKills, taken } = await killClients(200, 11)
  assert.deepStrictEqual({ lost, doubledWrongly }, { lost: 0, doubledWrongly: 0 })
  assert.isAbove(taken, 1_000)
  assert.isAtLeast(serverKills, 66)
  assert.sameMembers(Object.keys(aims), ["write", "sync", "delete", "connect", "random"])
}, 1_800_000)
