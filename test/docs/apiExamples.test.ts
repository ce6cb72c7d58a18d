/**
 * Type-checks every `@example` of `src` as the body of a generator. Examples may use some names
 * without an import: modules, services of a program, and its own values.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { root, runTool } from "../support/localEnvironment.ts"

/**
 * Inside the repository, so that the package name resolves as it does in the package's own tests.
 */
const folder = Path.join(root, ".cache", "api-examples")

interface Example {
  /** The file below `src` and the line of the tag. */
  readonly place: string
  readonly code: string
}

/** The examples of a source text: the text from the tag to the next tag or to the comment's end. */
const examplesIn = (file: string, text: string): ReadonlyArray<Example> =>
  [...text.matchAll(/^ *\* @example(.*)\n((?: *\*(?!\/)(?! @).*\n)*)/gm)].map(
    ([all, rest, body], index) => ({
      place: `${file}:${text.slice(0, text.indexOf(all!)).split("\n").length}#${index}`,
      code: `${rest!.trim()}\n${body!.replace(/^ *\* ?/gm, "")}`.trim()
    })
  )

const examples = Fs.readdirSync(Path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .sort()
  .flatMap((file) => examplesIn(file, Fs.readFileSync(Path.join(root, "src", file), "utf8")))

/** The module of each name that examples use. */
const modules: Readonly<Record<string, ReadonlyArray<string>>> = {
  "effect": [
    "Config",
    "Console",
    "Effect",
    "Fiber",
    "Layer",
    "Match",
    "Redacted",
    "Schema",
    "Stream"
  ],
  "effect/testing": ["TestClock"],
  "@effect/platform-node": ["NodeClusterSocket"],
  "@effect/vitest": ["it", "layer"],
  "effect-zerobus": [
    "Column",
    "Credentials",
    "DeadLetters",
    "GrpcTransport",
    "HeadersProvider",
    "Spool",
    "StreamPool",
    "Table",
    "TableProperties",
    "Transport",
    "UnityCatalog",
    "UnityCatalogLayer",
    "Zerobus",
    "ZerobusLayer"
  ],
  "effect-zerobus/testing": ["ConnectProxy", "Faults", "Latency", "ZerobusLocal", "ZerobusVirtual"],
  "effect-zerobus/cluster": ["ZerobusShards"],
  "effect-zerobus/arrow": ["ArrowTable"],
  "effect-zerobus/avro": ["AvroTable"],
  "apache-arrow": ["Field", "Int32", "LargeUtf8", "tableFromArrays"],
  "node:fs/promises": ["readFile"]
}

/** Values of the program around an example, by name, with their types. */
const values: Readonly<Record<string, string>> = {
  catalog: 'import("effect-zerobus").UnityCatalogShape',
  events: "ReadonlyArray<{ readonly tenant: string; readonly event: string }>",
  idToken: 'import("effect").Effect.Effect<string>',
  line: "number",
  local: 'import("effect-zerobus/testing").ZerobusLocalShape',
  orders: "string",
  pool: 'import("effect-zerobus").StreamPool.StreamPool',
  program: 'import("effect").Effect.Effect<void, never, import("effect-zerobus").Zerobus>',
  readings: 'import("effect-zerobus").TableProperties.TableProperties<Reading>',
  record: 'import("effect-zerobus").TableProperties.JsonRecord',
  rows: "ReadonlyArray<string>",
  serverEndpoint: "string",
  settings: "{ readonly serverEndpoint: string; readonly workspaceUrl: string }",
  SqlLayer: 'import("effect").Layer.Layer<any>',
  stream:
    'import("effect-zerobus").ZerobusStream<import("effect-zerobus").TableProperties.JsonRecord>',
  streamId: "string",
  subjectToken: 'import("effect").Effect.Effect<import("effect").Redacted.Redacted<string>>',
  table:
    'import("effect-zerobus").TableProperties.TableProperties<' +
    'import("effect-zerobus").TableProperties.JsonRecord>',
  tableOf:
    '(tenant: string) => import("effect-zerobus").TableProperties.TableProperties<' +
    "{ readonly tenant: string; readonly event: string }>",
  workspaceUrl: "string",
  zerobus: 'import("effect-zerobus").ZerobusShape'
}

/** A module with the example in it. Apache Arrow's Schema has the same name as Effect's. */
const moduleOf = ({ code }: Example): string => {
  // A member of that name does not count; a spread value does.
  const uses = (name: string) =>
    new RegExp(`(?<!\\w|(?<!\\.\\.)\\.)${name}\\b`).test(code) &&
    !new RegExp(`const (?:\\{[^}]*\\b)?${name}\\b`).test(code)
  const isArrow = /\bnew Schema\(/.test(code)
  const imports = Object.entries(modules).flatMap(([from, names]) => {
    const own = from === "apache-arrow" && isArrow ? [...names, "Schema"] : names
    const used = own.filter(
      (name) => uses(name) && !(from === "effect" && isArrow && name === "Schema")
    )
    return used.length === 0 ? [] : [`import { ${used.join(", ")} } from "${from}"`]
  })
  const declared = Object.entries(values)
    .filter(([name]) => uses(name))
    .map(([name, type]) => `declare const ${name}: ${type}`)
  const reading = [
    "interface Reading { readonly device: string; readonly temp: number }",
    ...(/\bReading\)/.test(code) && /json\(.*, Reading\)/.test(code)
      ? ['declare const Reading: import("effect").Schema.Codec<Reading>']
      : [])
  ]
  // A generator for `yield*`, an async function for `await`.
  const around = /\bawait readFile/.test(code) ? "async () => {" : "function*() {"
  return [
    ...imports,
    ...reading,
    ...declared,
    `export const example = ${around}`,
    code,
    "}",
    ""
  ].join("\n")
}

describe("@example", () => {
  it("is found with its code", () => {
    const [first, second, ...others] = examplesIn(
      "a.ts",
      "/**\n * One.\n *\n * @example\n * const a = 1\n *\n * f(a)\n *\n * @since 0.1.0\n */\n\n" +
        "  /**\n   * Two.\n   *\n   * @example\n   * g({\n   *   b\n   * })\n   */\n"
    )
    assert.strictEqual(first?.code, "const a = 1\n\nf(a)")
    assert.strictEqual(second?.code, "g({\n  b\n})")
    assert.deepStrictEqual(others, [])
    assert.isAtLeast(examples.length, 40)
  })

  it("begins below its tag", () => {
    const beside = examples.filter(({ code }) => code.startsWith("@") || code === "")
    assert.deepStrictEqual(beside, [])
  })

  it.effect(
    "compiles, each of them",
    () =>
      Effect.gen(function* () {
        Fs.rmSync(folder, { recursive: true, force: true })
        Fs.mkdirSync(folder, { recursive: true })
        const nameOf = (place: string) =>
          `${place.replace(/\.ts:/, "-").replace(/[^\w.-]/g, "-")}.ts`
        for (const example of examples) {
          Fs.writeFileSync(Path.join(folder, nameOf(example.place)), moduleOf(example))
        }
        Fs.writeFileSync(
          Path.join(folder, "tsconfig.json"),
          JSON.stringify({
            extends: "../../tsconfig.base.json",
            compilerOptions: { noEmit: true, noUnusedLocals: false },
            include: ["*.ts"]
          })
        )
        const { output, status } = yield* runTool("typescript/bin/tsc", ["-p", folder])
        assert.strictEqual(status, 0, output)
      }),
    60_000
  )
})
