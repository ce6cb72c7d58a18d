/**
 * Group commit: records that arrive while a group is written share the next write, and groups
 * behind a failed one fail with it.
 */
import { assert, describe, it } from "@effect/vitest"
import { GroupCommit } from "../../../src/internal/log/groupCommit.ts"

interface Group {
  readonly words: Array<string>
  taken: boolean
}

/** A log whose writes the test ends one by one, and what was settled, in order. */
const makeLog = () => {
  const settled: Array<string> = []
  const writes: Array<{ readonly words: string; readonly end: (error?: Error) => void }> = []
  let began = (): void => {}
  let open: Group | undefined
  const commit = new GroupCommit<Group>(
    (group) =>
      new Promise<void>((resolve, reject) => {
        group.taken = true
        writes.push({
          words: group.words.join(),
          end: (error) => (error === undefined ? resolve() : reject(error))
        })
        began()
      }),
    (groups, failed) => {
      if (failed !== undefined) open = undefined
      for (const { words } of groups)
        settled.push(`${failed === undefined ? "written" : "failed"} ${words.join()}`)
    }
  )
  const append = (word: string): void => {
    if (open === undefined || open.taken) {
      open = { words: [], taken: false }
      commit.join(open)
    }
    open.words.push(word)
  }
  const nextWrite = () => new Promise<void>((resolve) => (began = resolve))
  return { append, commit, nextWrite, settled, writes }
}

describe("group commit", () => {
  it("writes arrivals of one turn together, and later arrivals with the next write", async () => {
    const { append, commit, nextWrite, settled, writes } = makeLog()
    append("a")
    append("b")
    await nextWrite()
    append("c")
    append("d")
    assert.strictEqual(commit.oldest?.words.join(), "a,b")
    const second = nextWrite()
    writes[0]!.end()
    await second
    assert.deepStrictEqual(settled, ["written a,b"])
    writes[1]!.end()
    await commit.settled()
    assert.deepStrictEqual(
      writes.map(({ words }) => words),
      ["a,b", "c,d"]
    )
    assert.isUndefined(commit.oldest)
  })

  it("fails the groups behind a failed one, and goes on with what comes afterwards", async () => {
    const { append, commit, nextWrite, settled, writes } = makeLog()
    append("a")
    await nextWrite()
    append("b")
    writes[0]!.end(new Error("disk"))
    await commit.settled()
    assert.deepStrictEqual(settled, ["failed a", "failed b"])
    append("c")
    await nextWrite()
    writes[1]!.end()
    await commit.settled()
    assert.deepStrictEqual(settled, ["failed a", "failed b", "written c"])
  })
})
