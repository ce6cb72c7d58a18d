/**
 * Checks `docs/architecture.md` against the sources: the files, functions and types it names exist,
 * its figures match, and it names every room that a record passes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { CHUNK_SIZE, LEAST_CHUNK_SIZE } from "../../src/internal/landing/chunk.ts"
import { HEAD_ROOM } from "../../src/internal/protobuf/envelope.ts"
import { defaultLimits } from "../../src/local/stream/streamHost.ts"
import { flushIntervalOf } from "../../src/testing/localOptions.ts"
import { STABLE_UPTIME } from "../../src/StreamConfigurationOptions.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")
const page = read("docs/architecture.md")
const sources = Fs.readdirSync(Path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts"))
/** The folders of `src` that contain files, except `src` itself. */
const rooms = [...new Set(sources.map((file) => Path.posix.dirname(file)))]
  .filter((room) => room !== ".")
  .sort()
const words = new Set(sources.flatMap((file) => read(`src/${file}`).match(/\w+/g) ?? []))
const named = (text: string) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name!)

/**
 * Files and rooms named in a text, with or without backticks, as paths below the project's folder.
 */
const placesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?<![\w/.])(src|test|internal|local|cli)((?:\/[\w.-]+)+)/g)].map(
    ([place, first]) =>
      (first === "src" || first === "test" ? place : `src/${place}`).replace(/\.$/, "")
  )
const missing = (text: string) =>
  placesIn(text).filter((place) => !Fs.existsSync(Path.join(root, place)))

describe("the page on architecture", () => {
  it("names files and rooms that exist", () => {
    assert.isAbove(placesIn(page).length, 30)
    for (const file of ["docs/architecture.md", "CONTRIBUTING.md", "test/README.md"]) {
      assert.deepStrictEqual(missing(read(file)), [], file)
    }
    assert.deepStrictEqual(missing("`internal/nets`, local/log and (`src/Gone.ts`)."), [
      "src/internal/nets",
      "src/Gone.ts"
    ])
  })

  it("names functions, options and types that the sources have", () => {
    const names = named(page).filter((name) => /^\w+$/.test(name))
    assert.includeMembers(names, ["ingestRecord", "visibleOnceAcked"])
    assert.deepStrictEqual(
      names.filter((name) => !words.has(name)),
      []
    )
  })

  it("has every room that a record passes", () => {
    const passed = rooms.filter(
      (room) => /^(?:internal|local)\//.test(room) && room !== "internal/columns"
    )
    const inPage = new Set(
      placesIn(page).map((place) => place.replace(/\/\w+\.ts$/, "").slice("src/".length))
    )
    assert.deepStrictEqual(
      passed.filter((room) => !inPage.has(room)),
      []
    )
  })

  it("has the figures of the sources", () => {
    const text = page.replace(/\s+/g, " ")
    for (const figure of [
      `a chunk of ${LEAST_CHUNK_SIZE / 1024} to ${CHUNK_SIZE / 1024} KiB`,
      `the ${HEAD_ROOM} bytes that are free in front`,
      `at most every ${defaultLimits.ackInterval} ms`,
      `up for ${STABLE_UPTIME / 1000} seconds`
    ]) {
      assert.include(text, figure)
    }
    assert.strictEqual(flushIntervalOf({ dataDir: "." }), 1000)
    assert.include(text, "About once a second")
  })

  it("has the states of a stream in its second picture", () => {
    const states = [...read("src/StreamState.ts").matchAll(/"(\w+)"/g)].map(([, state]) => state!)
    const picture = /stateDiagram-v2\n([\s\S]*?)```/.exec(page)![1]!
    const drawn = new Set(
      [...picture.matchAll(/(\w+) --> (\w+)|--> (\w+)/g)].flatMap(([, ...all]) => all)
    )
    drawn.delete(undefined as never)
    assert.deepStrictEqual([...drawn].sort(), [...states].sort())
  })
})
