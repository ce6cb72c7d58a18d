/**
 * Parses `src`, `examples` and the golden programs, and checks their imports against the table in
 * `rooms.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { importLinesOf } from "./importLines.ts"
import { mayImport, onlyIn, type Room, roomOf, rooms, takesPackage } from "./rooms.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const source = Path.join(root, "src")

/**
 * Allowed expressions that could import something not named by a literal, by file. The extension of
 * the worker's file is that of the running file.
 */
const computed: Readonly<Record<string, ReadonlyArray<string>>> = {
  "local/log/syncThread": ["import.meta", "new URL(`./syncWorker.${extension}`, import.meta.url)"],
  "local/decoding/decodeThread": [
    "import.meta",
    "new URL(`./decodeWorker.${extension}`, import.meta.url)"
  ],
  "local/flush/workerFlusher": [
    "import.meta",
    "new URL(`./flushWorker.${extension}`, import.meta.url)"
  ]
}

interface Import {
  readonly target: string
  readonly typeOnly: boolean
}

/**
 * The imports of a file with this text, and its expressions that could import something not named
 * by a literal.
 */
const importsIn = (file: string, text: string) => {
  const { imports, unreadable } = importLinesOf(text)
  return {
    imports: imports.map(({ specifier, typeOnly }): Import => ({
      target: targetOf(file, specifier),
      typeOnly
    })),
    unreadable
  }
}

const importsOf = (file: string) => importsIn(file, Fs.readFileSync(file, "utf8"))

const targetOf = (file: string, specifier: string): string =>
  specifier.startsWith(".")
    ? Path.relative(source, Path.resolve(Path.dirname(file), specifier))
        .replaceAll("\\", "/")
        .replace(/\.[jt]s$/, "")
    : specifier

const filesBelow = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(
      (file) =>
        /\.[mc]?[jt]s$/.test(file) && !file.endsWith(".d.ts") && !file.includes("node_modules")
    )
    .map((file) => Path.join(folder, file))
    .sort()

const nameOf = (file: string) => targetOf(file, `./${Path.basename(file)}`)
const sources = filesBelow(source).map((file) => ({ name: nameOf(file), ...importsOf(file) }))

/** The first cycle found among the modules, as a path; empty if there is none. */
const cycleIn = (
  modules: ReadonlyArray<{ readonly name: string; readonly imports: ReadonlyArray<Import> }>,
  counts: (edge: Import) => boolean
): ReadonlyArray<string> => {
  const edges = new Map(
    modules.map((module) => [module.name, module.imports.filter(counts).map((edge) => edge.target)])
  )
  const done = new Set<string>()
  const visit = (name: string, path: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return undefined
    for (const next of edges.get(name) ?? []) {
      const cycle = edges.has(next) ? visit(next, [...path, name]) : undefined
      if (cycle !== undefined) return cycle
    }
    done.add(name)
    return undefined
  }
  for (const name of edges.keys()) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return []
}

/**
 * Imports that are not files of the project: packages, and the manifest, from which the command
 * reads its version.
 */
const isPackage = (target: string): boolean => !isFile(target) && target !== "../package.json"
const names = new Set(sources.map(({ name }) => name))
const isFile = (target: string): boolean => names.has(target)

const packageOf = (target: string): string =>
  target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/")

/** Imports of a file that its room's row does not allow, one sentence each. */
const offencesOf = (
  file: string,
  room: Room,
  targets: ReadonlyArray<string>
): ReadonlyArray<string> =>
  targets.flatMap((target) => {
    const allowed = isPackage(target)
      ? room.packages.some((entry) => takesPackage(entry, target)) &&
        (onlyIn[packageOf(target)]?.includes(file) ?? true)
      : target === "../package.json"
        ? room.name === "cli"
        : mayImport(room, target)
    return allowed ? [] : [`${file} (${room.name}) may not import ${target}`]
  })

/** Each room as a module that imports the rooms of its files' imports. */
const roomGraph = rooms.map((room) => ({
  name: room.name,
  imports: sources
    .filter(({ name }) => roomOf(name) === room)
    .flatMap(({ imports }) => imports)
    .flatMap(({ target, typeOnly }) => {
      const other = isFile(target) ? roomOf(target) : undefined
      return other === undefined || other === room ? [] : [{ target: other.name, typeOnly }]
    })
}))

describe("imports", () => {
  it("stay inside the table of rooms", () => {
    const offences = sources.flatMap(({ imports, name }) => {
      const room = roomOf(name)
      return room === undefined
        ? [`${name} is in no room: add it to test/repository/rooms.ts`]
        : offencesOf(
            name,
            room,
            imports.map(({ target }) => target)
          )
    })
    assert.deepStrictEqual(offences, [])
    assert.isAbove(sources.length, 0)
  })

  it("name their targets by a literal, except for those listed above", () => {
    const found = sources.filter(({ unreadable }) => unreadable.length > 0)
    assert.deepStrictEqual(
      Object.fromEntries(found.map(({ name, unreadable }) => [name, unreadable])),
      computed
    )
  })

  it.each(rooms.map((room) => [room.name, room] as const))(
    "%s refuses imports that its row does not name",
    (_, room) => {
      const inside = (other: Room) => other.files?.[0] ?? `${other.name}/planted`
      for (const other of rooms) {
        const target = sources.find(({ name }) => roomOf(name) === other)?.name
        assert.isDefined(target, `${other.name} has a file`)
        const named = other === room || other.name === "models" || room.imports.includes(other.name)
        if (named) assert.deepStrictEqual(offencesOf(inside(room), room, [target!]), [])
        else if (!room.imports.some((entry) => entry === target)) {
          assert.lengthOf(
            offencesOf(inside(room), room, [target!]),
            1,
            `${room.name} imports ${other.name}`
          )
        }
      }
      for (const foreign of [
        "left-pad",
        "node:vm",
        "node:child_process",
        "hyparquet",
        "protobufjs"
      ]) {
        assert.lengthOf(
          offencesOf(inside(room), room, [foreign]),
          1,
          `${room.name} imports ${foreign}`
        )
      }
    }
  )

  it("name rooms and files that exist", () => {
    const known = new Set([...rooms.map(({ name }) => name), ...names])
    const unknown = [
      ...rooms.flatMap((room) => [...room.imports, ...(room.files ?? [])]),
      ...Object.values(onlyIn).flat()
    ].filter((entry) => !known.has(entry))
    assert.deepStrictEqual(unknown, [])
  })

  it("form no cycle between files", () => {
    assert.deepStrictEqual(
      cycleIn(sources, (edge) => !edge.typeOnly),
      []
    )
  })

  it("form no cycle between rooms, types included", () => {
    assert.deepStrictEqual(
      cycleIn(roomGraph, () => true),
      []
    )
  })

  it("of examples and golden programs name packages only", () => {
    const allowed =
      /^(?:effect|effect\/.+|effect-zerobus(?:\/testing|\/cluster|\/arrow|\/avro)?|@effect\/(?:platform-node|sql-pg|vitest)|@platformatic\/kafka|@duckdb\/node-api|apache-arrow|node:.+)$/
    const offences = ["examples", "test/golden"].flatMap((folder) =>
      filesBelow(Path.join(root, folder)).flatMap((file) =>
        [...importsOf(file).imports.map(({ target }) => target), ...importsOf(file).unreadable]
          .filter((target) => !allowed.test(target))
          .map((target) => `${Path.relative(root, file)} imports ${target}`)
      )
    )
    assert.deepStrictEqual(offences, [])
  })
})

describe("the package", () => {
  const manifest = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))

  it("exports nothing internal", () => {
    assert.deepStrictEqual(Object.keys(manifest.exports), [
      ".",
      "./testing",
      "./cluster",
      "./arrow",
      "./avro",
      "./package.json"
    ])
  })

  it("declares what its sources import", () => {
    const declared = new Set([
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.peerDependencies ?? {}),
      ...Object.keys(manifest.imports),
      // Loaded only by `zerobus query`, which explains how to install it if it is missing.
      "@duckdb/node-api"
    ])
    const missing = sources.flatMap(({ imports, name }) =>
      imports
        .filter(({ target }) => isPackage(target) && !target.startsWith("node:"))
        .filter(({ target }) => !declared.has(packageOf(target)))
        .map(({ target }) => `${name} imports ${target}`)
    )
    assert.deepStrictEqual(missing, [])
  })

  it("is installed from the public registry alone, each part by its hash", () => {
    const lock = JSON.parse(Fs.readFileSync(Path.join(root, "package-lock.json"), "utf8"))
    const odd = Object.entries<{ integrity?: string; resolved?: string }>(lock.packages)
      .filter(([path]) => path !== "")
      .filter(
        ([, { integrity, resolved }]) =>
          integrity?.startsWith("sha512-") !== true ||
          (resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/"))
      )
      .map(([path]) => path)
    assert.deepStrictEqual(odd, [])
    assert.deepStrictEqual(
      lock.packages[""].dependencies,
      manifest.dependencies,
      "package-lock.json is in step"
    )
  })
})
