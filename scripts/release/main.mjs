// Publishes the package, or tries everything but the upload. The repository has no address of its
// own: GITHUB_SERVER_URL and GITHUB_REPOSITORY fill `repository`, `bugs` and `homepage` of the
// published package.json, and the file in the repository stays as it is.
//
//   npm run release:check                     the dry run: checks, packs, npm publish --dry-run
//   node scripts/release/main.mjs --publish   publishes; needs the tag in GITHUB_REF_NAME
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { checklist, manifest, pack, root, run } from "../packedProject.mjs"
import { changesOf, distTag, problems, withAddresses } from "./publishable.ts"

const args = process.argv.slice(2)
const unknown = args.filter((arg) => arg !== "--publish")
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(" ")}. The only option is --publish.`)
  process.exit(1)
}
const publishes = args.includes("--publish")
const read = (file) => readFileSync(join(root, file), "utf8")
const environment = process.env
const isTag = environment.GITHUB_REF_TYPE === "tag"
const tag = isTag ? environment.GITHUB_REF_NAME : undefined

const { check, end } = checklist()
const filled = withAddresses(manifest, environment)
const found = [
  ...problems({
    manifest: filled,
    lock: JSON.parse(read("package-lock.json")),
    changelog: read("CHANGELOG.md"),
    tag,
    environment
  })
]
if (publishes && !isTag) found.push("A release is published by a workflow that runs for a tag.")
check("the release is complete", found.length === 0 ? undefined : found.join("\n"))
if (found.length > 0) {
  end()
  process.exit(1)
}

// The package is packed, its package.json gets the addresses, and it is packed again.
const { tarball } = pack()
const folder = join(root, ".cache", "release")
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
run("tar", ["-xzf", tarball, "-C", folder])
const unpacked = join(folder, "package")
writeFileSync(join(unpacked, "package.json"), `${JSON.stringify(filled, undefined, 2)}\n`)
const packed = run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], {
  cwd: unpacked
})
const release = join(folder, packed.stdout.trim().split("\n").at(-1))
const contents = run("tar", ["-xzOf", release, "package/package.json"]).stdout
const addresses = ({ repository, bugs, homepage }) => JSON.stringify({ repository, bugs, homepage })
check(
  "the packed package.json has the addresses",
  addresses(JSON.parse(contents)) === addresses(filled) ? undefined : contents
)

// npm publishes a tarball without running scripts of the package. A dry run never needs a token.
const options = ["--tag", distTag(manifest.version), "--access", "public"]
const mode = publishes ? ["--provenance"] : ["--dry-run", "--provenance=false"]
const { failure, stderr, stdout } = run("npm", ["publish", release, ...options, ...mode], {
  mayFail: true
})
check(publishes ? "npm publish" : "npm publish --dry-run", failure ? stdout + stderr : undefined)
console.log(stderr + stdout)
writeFileSync(join(folder, "notes.md"), `${changesOf(read("CHANGELOG.md"), manifest.version)}\n`)
console.log(`${release}, ${JSON.parse(contents).repository.url}`)
end()
