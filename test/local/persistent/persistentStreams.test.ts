import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type HeldStream,
  type OpenStream,
  PersistentStreams,
  type Replaced,
  StreamRefused
} from "../../../src/local/persistent/persistentStreams.ts"
import {
  folderRegister,
  knownStreams,
  noRegister,
  registeredStreams
} from "../../../src/local/persistent/streamRegister.ts"

/** A log whose groups the test settles. */
const makeLog = () => {
  const waiting = new Map<number, Array<(failure: unknown) => void>>()
  return {
    onDurable: (group: number, callback: (failure: unknown) => void) => {
      waiting.set(group, [...(waiting.get(group) ?? []), callback])
    },
    settle: (group: number, failure?: Error) => {
      for (const callback of waiting.get(group) ?? []) callback(failure)
    }
  }
}

const setUp = () => {
  const log = makeLog()
  const streams = new PersistentStreams({
    register: noRegister,
    known: [],
    onDurable: log.onDurable,
    now: () => 7
  })
  return { log, streams }
}

const opened = (result: OpenStream | StreamRefused): OpenStream => {
  if (result instanceof StreamRefused) return assert.fail(result.message)
  return result
}

const nobody = () => assert.fail("the stream was replaced")

describe("the persistent streams of a table", () => {
  it("resume after the durable records, once the old connection has none in flight", async () => {
    const { log, streams } = setUp()
    const told: Array<Replaced> = []
    const first = opened(await streams.open("a", true, "Json", (why) => told.push(why)))
    assert.strictEqual(first.committed, -1)
    first.stream.noteUnsafe(1, 0)
    first.stream.noteUnsafe(1, 1)
    first.stream.noteUnsafe(2, 2)
    log.settle(1)
    let answered = false
    const resuming = streams.open("a", false, "Json", nobody).finally(() => (answered = true))
    assert.deepStrictEqual(told, ["Resumed"])
    assert.isFalse(first.stream.isHeld)
    await Promise.resolve()
    assert.isFalse(answered)
    log.settle(2)
    assert.strictEqual(opened(await resuming).committed, 2)
    assert.deepStrictEqual(
      streams.all.map(({ committed, streamId }) => [streamId, committed]),
      [["a", 2]]
    )
  })

  it("do not count a group that failed, nor what came behind it", async () => {
    const { log, streams } = setUp()
    const { stream } = opened(await streams.open("a", true, "Proto", () => {}))
    stream.noteUnsafe(1, 0)
    stream.noteUnsafe(2, 1)
    stream.noteUnsafe(3, 2)
    const resuming = streams.open("a", false, "Proto", nobody)
    log.settle(1)
    log.settle(2, new Error("full"))
    log.settle(3, new Error("full"))
    assert.strictEqual(opened(await resuming).committed, 0)
  })

  it("belong to the latest of two that resume at once", async () => {
    const { log, streams } = setUp()
    const { stream } = opened(await streams.open("a", true, "Json", () => {}))
    stream.noteUnsafe(1, 0)
    const told: Array<string> = []
    const one = streams.open("a", false, "Json", () => told.push("one"))
    const two = streams.open("a", false, "Json", () => told.push("two"))
    log.settle(1)
    const held: ReadonlyArray<HeldStream> = [opened(await one).stream, opened(await two).stream]
    assert.deepStrictEqual(told, ["one"])
    assert.deepStrictEqual(
      held.map(({ isHeld }) => isHeld),
      [false, true]
    )
    // The end of the older connection does not end the stream.
    held[0]!.release()
    assert.isTrue(held[1]!.isHeld)
  })

  it("refuse unknown and retired streams, and another kind of records", async () => {
    const { streams } = setUp()
    const told: Array<Replaced> = []
    await streams.open("a", true, "Json", (why) => told.push(why))
    const reasonOf = async (id: string, kind: "Json" | "Proto") => {
      const result = await streams.open(id, false, kind, nobody)
      return result instanceof StreamRefused ? result.reason : "opened"
    }
    assert.strictEqual(await reasonOf("b", "Json"), "Unknown")
    assert.strictEqual(await reasonOf("a", "Proto"), "OtherKind")
    assert.deepStrictEqual(told, [], "a refused resume takes the stream from nobody")
    assert.isUndefined(await streams.retire("a"))
    assert.isUndefined(await streams.retire("a"))
    assert.strictEqual((await streams.retire("b"))?.reason, "Unknown")
    assert.deepStrictEqual(told, ["Retired"])
    assert.strictEqual(await reasonOf("a", "Json"), "Retired")
  })

  it("do not count messages of a closed log as durable", async () => {
    const { log, streams } = setUp()
    const { stream } = opened(await streams.open("a", true, "Json", () => {}))
    stream.noteUnsafe(0, 0)
    log.settle(0)
    assert.strictEqual(streams.all[0]?.committed, -1)
  })
})

describe("the register", () => {
  const inFolder = async (use: (folder: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), "register-"))
    try {
      await use(folder)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  it("keeps streams and retirements, and leaves out a line that a crash has torn", () =>
    inFolder(async (data) => {
      const folder = join(data, ".wal", "table")
      const register = folderRegister(folder)
      await register.created({ streamId: "a", kind: "Json", createdAt: 1 })
      await register.created({ streamId: "b", kind: "Proto", createdAt: 2 })
      await register.retired({ streamId: "a", retiredAt: 3 })
      const file = join(folder, "streams.ndjson")
      writeFileSync(file, `${readFileSync(file, "utf8")}{"streamId":"c","ki`)
      await folderRegister(folder).created({ streamId: "d", kind: "Json", createdAt: 4 })
      const committed = new Map([
        ["a", 4],
        ["b", 1]
      ])
      const known = knownStreams(await registeredStreams(folder), committed, new Map([["b", 9]]))
      assert.deepStrictEqual(known, [
        { streamId: "a", kind: "Json", createdAt: 1, retiredAt: 3, committed: 4 },
        { streamId: "b", kind: "Proto", createdAt: 2, retiredAt: undefined, committed: 9 },
        { streamId: "d", kind: "Json", createdAt: 4, retiredAt: undefined, committed: -1 }
      ])
    }))

  it("is empty where there is none", () =>
    inFolder(async (folder) => assert.deepStrictEqual(await registeredStreams(folder), [])))
})
