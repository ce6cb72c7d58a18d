/**
 * Kills clients at chosen operations and at random moments, and the server too in a third of the
 * rounds. `npm run faults:client-kill` runs more rounds.
 */
import { assert, it } from "@effect/vitest"
import { type KilledClients, killClients } from "./killedClients.ts"

const limit = 1_800_000

/** No record was lost or wrongly duplicated, and some records were at risk. */
const check = (
  { doubledWrongly, lost, serverKills, taken }: KilledClients,
  kills: number
): void => {
  assert.deepStrictEqual({ lost, doubledWrongly }, { lost: 0, doubledWrongly: 0 })
  assert.isAbove(taken, kills * 5)
  assert.strictEqual(serverKills, Math.floor(kills / 3))
}

const every = ["write", "sync", "delete", "connect", "random"]

it(
  "200 kills of a client with a spool lose nothing, and duplicate only records that were in the " +
    "spool at a kill",
  async () => {
    const killed = await killClients(200, 11)
    check(killed, 200)
    assert.sameMembers(Object.keys(killed.aims), every)
  },
  limit
)

it(
  "30 kills of a client with a persistent stream and a spool lose and duplicate nothing",
  async () => {
    const killed = await killClients(30, 16, "persistent")
    check(killed, 30)
    assert.strictEqual(killed.doubled, 0)
    assert.sameMembers(Object.keys(killed.aims), every)
  },
  limit
)

it(
  "15 kills of a client with a persistent stream that its source resumes lose nothing and " +
    "duplicate nothing",
  async () => {
    const killed = await killClients(15, 13, "source")
    check(killed, 15)
    assert.strictEqual(killed.doubled, 0)
  },
  limit
)
