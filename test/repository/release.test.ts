/**
 * What a release needs is complete, and what is missing stops it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import {
  addressOf,
  changesOf,
  distTag,
  type Lock,
  type Manifest,
  problems,
  withAddresses
} from "../../scripts/release/publishable.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")

const environment = { GITHUB_SERVER_URL: "https://host.example", GITHUB_REPOSITORY: "team/client" }
const version = "1.2.3"
const manifest: Manifest = {
  version,
  license: "Apache-2.0",
  publishConfig: { access: "public", provenance: true }
}
const lock: Lock = { version, packages: { "": { version } } }
const changelog = `# Changelog

## [Unreleased]

## [1.2.3] - 2026-12-01

### Fixed

- A fault.

## [1.2.2] - 2026-11-01

- Text.
`
const release = {
  manifest: withAddresses(manifest, environment),
  lock,
  changelog,
  tag: "v1.2.3",
  environment
}
const found = (changes: Partial<Parameters<typeof problems>[0]>) =>
  problems({ ...release, ...changes })

describe("a release", () => {
  it("is published when everything is there", () => {
    assert.deepStrictEqual(problems(release), [])
  })

  it("gets its addresses from the environment of the workflow", () => {
    assert.deepStrictEqual(withAddresses(manifest, environment), {
      ...manifest,
      repository: { type: "git", url: "git+https://host.example/team/client.git" },
      bugs: { url: "https://host.example/team/client/issues" },
      homepage: "https://host.example/team/client#readme"
    })
    const homepage = "https://docs.example/"
    assert.strictEqual(withAddresses({ ...manifest, homepage }, environment).homepage, homepage)
  })

  it.each([
    {},
    { GITHUB_SERVER_URL: "https://host.example" },
    { GITHUB_REPOSITORY: "team/client" },
    { ...environment, GITHUB_REPOSITORY: "client" },
    { ...environment, GITHUB_SERVER_URL: "http://host.example" },
    { ...environment, GITHUB_SERVER_URL: "https://user@host.example" }
  ])("invents no address from %j", (incomplete) => {
    assert.isUndefined(addressOf(incomplete))
    const unchanged = withAddresses(manifest, incomplete)
    assert.deepStrictEqual(unchanged, manifest)
    const messages = found({ manifest: unchanged, environment: incomplete })
    assert.lengthOf(messages, 3)
    for (const field of ["repository.url", "bugs.url", "homepage"])
      assert.isTrue(messages.some((text) => text.includes(field)))
  })

  it("is refused where the tag and the version differ", () => {
    for (const tag of ["v1.2.4", "1.2.3", "v1.2.3-rc.1"])
      assert.deepStrictEqual(found({ tag }), [
        `The tag ${tag} and the version 1.2.3 differ: the tag must be v1.2.3.`
      ])
    assert.deepStrictEqual(found({ tag: undefined }), [])
  })

  it("is refused without a dated section of the change log that names a change", () => {
    const heading = 'CHANGELOG.md has no heading "## [1.2.3] - YYYY-MM-DD".'
    for (const text of [
      "",
      changelog.replace("[1.2.3]", "[1.2.30]"),
      changelog.replace("2026-12-01", "soon"),
      changelog.replace("## [1.2.3] - 2026-12-01", "## [1.2.3]")
    ])
      assert.deepStrictEqual(found({ changelog: text }), [heading])
    assert.lengthOf(found({ changelog: changelog.replace("### Fixed", "") }), 1)
    assert.strictEqual(changesOf(changelog, version), "### Fixed\n\n- A fault.")
  })

  it.each<[string, Partial<Parameters<typeof problems>[0]>]>([
    ["lock", { lock: { version: "1.2.2", packages: { "": { version } } } }],
    ["lock of the package", { lock: { version, packages: {} } }],
    ["access", { manifest: { ...release.manifest, publishConfig: { provenance: true } } }],
    ["provenance", { manifest: { ...release.manifest, publishConfig: { access: "public" } } }],
    [
      "licence",
      { manifest: withAddresses({ version, publishConfig: manifest.publishConfig! }, environment) }
    ],
    ["private", { manifest: { ...release.manifest, private: true } }],
    ["repository", { environment: { ...environment, GITHUB_REPOSITORY: "other/fork" } }],
    ["bugs", { manifest: { ...release.manifest, bugs: { url: "mailto:a@b.c" } } }]
  ])("is refused for one wrong field: %s", (_, changes) => assert.lengthOf(found(changes), 1))

  it("is refused without a semantic version", () => {
    const other = { manifest: { ...release.manifest, version: "1.2" } }
    assert.isTrue(found(other)[0]!.includes("not a semantic version"))
  })

  it("of a pre-release gets the tag next", () => {
    assert.deepStrictEqual(["1.2.3", "1.0.0-beta.1"].map(distTag), ["latest", "next"])
  })
})

describe("this repository", () => {
  it("could be published from any address", () => {
    const current: Manifest = JSON.parse(read("package.json"))
    assert.deepStrictEqual(
      problems({
        manifest: withAddresses(current, environment),
        lock: JSON.parse(read("package-lock.json")),
        changelog: read("CHANGELOG.md"),
        environment
      }),
      []
    )
  })

  it("names no address itself", () => {
    const current: Manifest = JSON.parse(read("package.json"))
    assert.deepStrictEqual(
      [current.repository, current.bugs, current.homepage],
      [undefined, undefined, undefined]
    )
  })
})
