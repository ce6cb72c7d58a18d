// The package as a user receives it: packed, and installed into an empty project. Shared by the
// scripts that check it.
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))
export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

if (Number(process.versions.node.split(".")[0]) < 22) {
  console.error(
    `This needs Node 22.19 or later and runs on ${process.version}. Use "npm run", which brings ` +
      `Node 24.`
  )
  process.exit(1)
}

/**
 * Runs a command to its end and returns its output. Ends the process when the command fails, unless
 * `mayFail`.
 */
export const run = (
  command,
  args,
  { cwd = root, env = process.env, mayFail = false, timeout = 300_000 } = {}
) => {
  // On Windows npm is a batch file, which Node can only start through a shell. Its program is
  // JavaScript.
  const npm = command === "npm" && process.env.npm_execpath
  const [program, all] = npm ? [process.execPath, [npm, ...args]] : [command, args]
  const result = spawnSync(program, all, {
    cwd,
    env,
    encoding: "utf8",
    timeout,
    maxBuffer: 1 << 28
  })
  const failure = result.error !== undefined || result.status !== 0
  if (failure && !mayFail) {
    console.error(
      `${command} ${args.join(" ")} failed (${result.error?.message ?? `exit ${result.status}`})`
    )
    console.error(`${result.stdout ?? ""}${result.stderr ?? ""}`)
    process.exit(1)
  }
  return {
    failure,
    status: result.status,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? ""
  }
}

/** Builds and packs. Returns the tarball's path, its size and its files. */
export const pack = () => {
  const folder = join(root, ".cache", "package")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  run(process.execPath, [join(root, "scripts/build.mjs")])
  const answer = JSON.parse(
    run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]).stdout
  )
  const packed = Array.isArray(answer) ? answer[0] : Object.values(answer)[0]
  return {
    tarball: join(folder, packed.filename),
    bytes: packed.size,
    files: packed.files.map((file) => file.path)
  }
}

/**
 * Creates an empty project in a temporary folder and installs the tarball and `packages`, in the
 * versions used by this repository.
 */
export const emptyProject = (tarball, packages) => {
  const folder = mkdtempSync(join(tmpdir(), "effect-zerobus-"))
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" })
  )
  run(
    "npm",
    [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--save-exact",
      tarball,
      ...packages.map((name) => `${name}@${manifest.devDependencies[name]}`)
    ],
    { cwd: folder }
  )
  return folder
}

/** Runs checks, counts failures and sets the exit code. */
export const checklist = () => {
  let passed = 0
  const failures = []
  return {
    check: (title, problem) => {
      if (problem === undefined) passed++
      else failures.push(title)
      console.log(
        problem === undefined
          ? `ok      ${title}`
          : `FAILED  ${title}\n        ${problem.trim().replaceAll("\n", "\n        ")}`
      )
    },
    end: () => {
      console.log(`${passed} checks passed, ${failures.length} failed`)
      process.exitCode = failures.length === 0 ? 0 : 1
    }
  }
}
