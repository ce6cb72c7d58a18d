/**
 * Checks `docs/testing.md` against the code: it names every constructor, action, point, event and
 * field, and no other.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConnectProxy, Faults, Latency } from "effect-zerobus/testing"
import * as Testing from "effect-zerobus/testing"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root } from "../support/localEnvironment.ts"

const page = Fs.readFileSync(Path.join(root, "docs/testing.md"), "utf8")
const source = (file: string) => Fs.readFileSync(Path.join(root, "src", file), "utf8")

/** The rows of the table whose header starts with `head`, as cells. */
const rowsOf = (head: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = page.split("\n")
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`))
  assert.isAtLeast(start, 0, head)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"))
  return lines.slice(start + 2, end).map((line) => line.slice(2, -2).split(" | "))
}
/** The names in a text. Functions are given with their parameters. */
const names = (text: string) =>
  [...text.matchAll(/`(\w+)(?:\([^`]*\))?`/g)].map(([, name]) => name!)
const firstNames = (head: string) => rowsOf(head).flatMap(([cell]) => names(cell!))
const sorted = (list: Iterable<string>) => [...new Set(list)].sort()

/** The tags of a union type's members. */
const tagsOf = (file: string, union: string) => {
  const text = new RegExp(`export type ${union} =[\\s\\S]*?\\n\\n`).exec(source(file))![0]
  return [...text.matchAll(/readonly _tag: "(\w+)"/g)].map(([, tag]) => tag!)
}
/** The strings of a union type. */
const stringsOf = (file: string, union: string) => {
  const text = new RegExp(`export type ${union} =[\\s\\S]*?\\n\\n`).exec(source(file))![0]
  return [...text.matchAll(/"(\w+)"/g)].map(([, name]) => name!)
}
const fieldsOf = (file: string, name: string) => {
  const text = new RegExp(`export interface ${name} [\\s\\S]*?\\n}`).exec(source(file))![0]
  return [...text.matchAll(/^ {2}readonly (\w+)/gm)].map(([, field]) => field!)
}

describe("the page on testing", () => {
  it("has every constructor of Faults once", () => {
    const tables = rowsOf("constructor").length
    assert.isAbove(tables, 10)
    const streams = rowsOf("constructor | point").flatMap(([cell]) => names(cell!).slice(0, 1))
    const rest = page
      .split("\n")
      .filter((line) => /^\| `\w+(?:\([^`]*\))?` \| /.test(line))
      .flatMap((line) => names(line).slice(0, 1))
      .filter((name) => name in Faults)
    assert.deepStrictEqual(sorted([...streams, ...rest]), sorted(Object.keys(Faults)))
    for (const [name, constructor] of Object.entries(Faults)) {
      const shown = typeof constructor === "function" ? `| \`${name}(` : `| \`${name}\` |`
      assert.include(page, shown)
    }
  })

  it("has every action, point, field and event of scripts", () => {
    const actions = [
      ...tagsOf("local/faults/faultScript.ts", "FaultAction"),
      ...tagsOf("local/faults/ackRules.ts", "AckRule")
    ]
    const rows = rowsOf("constructor | point")
    assert.deepStrictEqual(sorted(rows.flatMap((row) => names(row[2]!))), sorted(actions))
    const points = stringsOf("local/faults/faultScript.ts", "FaultPoint")
    assert.deepStrictEqual(sorted(firstNames("point")), sorted(points))
    for (const row of rows)
      for (const point of names(row[1]!)) assert.include([...points, "at"], point)
    assert.deepStrictEqual(
      sorted(firstNames("field | strikes")),
      sorted(fieldsOf("testing/Faults.ts", "When"))
    )
    const events = /Events are the points above and ([\s\S]*?)\n\n/.exec(page)![1]!
    assert.deepStrictEqual(
      sorted(names(events)),
      sorted(stringsOf("local/faults/faultScript.ts", "LocalEvent"))
    )
  })

  it("has every field of the audit", () => {
    assert.deepStrictEqual(
      sorted(firstNames("field | meaning")),
      sorted(fieldsOf("local/stream/streamAudit.ts", "Audit"))
    )
    assert.deepStrictEqual(
      sorted(firstNames("field of a connection")),
      sorted(fieldsOf("local/stream/streamAudit.ts", "ConnectionAudit"))
    )
  })

  it("has every option of every layer, once", () => {
    const tables = [
      ["option of every layer", ["StreamOptions"]],
      ["option of `ZerobusVirtual`", ["ZerobusVirtualOptions"]],
      ["option of `ZerobusLocal`", ["ZerobusLocalOptions"]],
      ["option of `ZerobusLocal.layer`", ["ZerobusLocalDiskOptions"]]
    ] as const
    for (const [head, [name]] of tables) {
      assert.deepStrictEqual(
        sorted(firstNames(head)),
        sorted(fieldsOf("testing/localOptions.ts", name)),
        name
      )
    }
  })

  it("has every way to call, and every latency", () => {
    const shape = [
      ...fieldsOf("testing/serverScript.ts", "ZerobusScript"),
      ...fieldsOf("testing/ZerobusLocal.ts", "ZerobusLocalShape")
    ]
    for (const name of shape) assert.match(page, new RegExp(`\`${name}\\b`), name)
    for (const name of Object.keys(Latency)) assert.include(page, `\`Latency.${name}\``)
    assert.includeMembers(Object.keys(ConnectProxy), ["make"])
    const modules = Object.entries(Testing).filter(
      ([, value]) => Object.prototype.toString.call(value) === "[object Module]"
    )
    assert.sameMembers(
      modules.map(([name]) => name),
      ["ConnectProxy", "Faults", "Latency"]
    )
    const settings =
      rowsOf("constructor").length > 0
        ? fieldsOf("local/faults/frameSettings.ts", "Http2Settings")
        : []
    for (const name of settings) assert.include(page, `\`${name}\``)
  })
})
