// Checks the GitHub workflows with actionlint: the one in PATH, or else the pinned version, which
// Go builds. Without both the check counts as skipped.
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { checklist, root, run } from "./packedProject.mjs"

const pinned = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
const folder = join(root, ".github", "workflows")
const files = readdirSync(folder).map((file) => join(".github", "workflows", file))

const can = (command, args) => !run(command, args, { mayFail: true }).failure
const lint = () => {
  if (can("actionlint", ["--version"])) return ["actionlint"]
  if (can("go", ["version"])) return ["go", "run", pinned]
  return undefined
}

const command = lint()
if (command === undefined) {
  console.log("The workflows are not linted: install actionlint, or Go 1.24 or later.")
  console.log(" Tests  1 skipped")
  process.exit(0)
}
const { check, end } = checklist()
const [program, ...args] = command
for (const file of files) {
  const { failure, stderr, stdout } = run(program, [...args, file], { mayFail: true })
  check(file, failure ? stdout + stderr : undefined)
}
end()
