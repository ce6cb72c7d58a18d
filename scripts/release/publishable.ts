/**
 * What a package must have before it may be published. Pure functions of the manifest, the change
 * log and the environment; `main.mjs` reads and runs.
 */

/** Environment variables. */
type Environment = Readonly<Record<string, string | undefined>>

/** The fields of package.json that a release depends on. */
export interface Manifest {
  readonly version: string
  readonly license?: string
  readonly private?: boolean
  readonly repository?: { readonly type?: string; readonly url: string }
  readonly bugs?: { readonly url: string }
  readonly homepage?: string
  readonly publishConfig?: { readonly access?: string; readonly provenance?: boolean }
}

/** The fields of package-lock.json that hold the version. */
export interface Lock {
  readonly version?: string
  readonly packages?: Readonly<Record<string, { readonly version?: string }>>
}

/** `https://github.com/owner/name` from the variables that GitHub sets in every workflow. */
export const addressOf = ({
  GITHUB_SERVER_URL,
  GITHUB_REPOSITORY
}: Environment): string | undefined => {
  if (!/^https:\/\/[\w.-]+$/.test(GITHUB_SERVER_URL ?? "")) return undefined
  if (!/^[\w.-]+\/[\w.-]+$/.test(GITHUB_REPOSITORY ?? "")) return undefined
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`
}

/**
 * The manifest with the addresses of its repository. Fields that the manifest has already stay.
 * Without an address in the environment nothing is filled in.
 */
export const withAddresses = <M extends Manifest>(manifest: M, environment: Environment): M => {
  const address = addressOf(environment)
  if (address === undefined) return manifest
  return {
    repository: { type: "git", url: `git+${address}.git` },
    bugs: { url: `${address}/issues` },
    homepage: `${address}#readme`,
    ...manifest
  }
}

/** The text below the heading `## [version] - date` of the change log, undefined without one. */
export const changesOf = (changelog: string, version: string): string | undefined => {
  const sections = changelog.split(/^## /m).slice(1)
  const heading = `[${version}] - `
  const section = sections.find((text) => text.startsWith(heading))
  if (section === undefined) return undefined
  const [title = "", ...lines] = section.split("\n")
  if (!/^\d{4}-\d\d-\d\d$/.test(title.slice(heading.length).trim())) return undefined
  return lines.join("\n").trim()
}

/** The npm tag: `latest`, or `next` for versions such as 1.0.0-beta.1. */
export const distTag = (version: string): string => (version.includes("-") ? "next" : "latest")

const semver = /^\d+\.\d+\.\d+(?:-[\da-z-]+(?:\.[\da-z-]+)*)?$/i

/** The address `https://host/owner/name` of a repository URL in the manifest. */
const repositoryAddress = (url: string | undefined): string | undefined =>
  /^git\+(https:\/\/[\w.-]+\/[\w.-]+\/[\w.-]+)\.git$/.exec(url ?? "")?.[1]

const https = (address: string | undefined): boolean =>
  /^https:\/\/[\w.-]+\/\S+$/.test(address ?? "")

/**
 * Each reason not to publish, as a sentence that says what to do. `tag` is the Git tag of the
 * release; a dry run has none.
 */
export const problems = ({
  manifest,
  lock,
  changelog,
  tag,
  environment
}: {
  readonly manifest: Manifest
  readonly lock: Lock
  readonly changelog: string
  readonly tag?: string | undefined
  readonly environment: Environment
}): ReadonlyArray<string> => {
  const found: Array<string> = []
  const { version } = manifest
  if (!semver.test(version)) found.push(`The version ${version} is not a semantic version.`)
  if (lock.version !== version || lock.packages?.[""]?.version !== version)
    found.push(`package-lock.json has another version than ${version}: run npm install.`)
  if (tag !== undefined && tag !== `v${version}`)
    found.push(`The tag ${tag} and the version ${version} differ: the tag must be v${version}.`)
  const changes = changesOf(changelog, version)
  if (changes === undefined)
    found.push(`CHANGELOG.md has no heading "## [${version}] - YYYY-MM-DD".`)
  else if (!/^### (?:Added|Changed|Deprecated|Removed|Fixed|Security)$/m.test(changes))
    found.push(`CHANGELOG.md names no change of ${version} below Added, Changed or Fixed.`)
  const repository = repositoryAddress(manifest.repository?.url)
  const expected = addressOf(environment)
  const fill = "set GITHUB_SERVER_URL and GITHUB_REPOSITORY, as GitHub Actions does"
  if (repository === undefined) found.push(`package.json has no repository.url: ${fill}.`)
  else if (expected !== undefined && repository !== expected)
    found.push(`The repository is ${repository}, but this runs in ${expected}.`)
  if (!https(manifest.bugs?.url)) found.push(`package.json has no bugs.url: ${fill}.`)
  if (!https(manifest.homepage)) found.push(`package.json has no homepage: ${fill}.`)
  const { access, provenance } = manifest.publishConfig ?? {}
  if (access !== "public") found.push(`publishConfig.access must be "public".`)
  if (provenance !== true) found.push("publishConfig.provenance must be true.")
  if (manifest.private) found.push("The package is private.")
  if (manifest.license === undefined) found.push("package.json has no license.")
  return found
}
