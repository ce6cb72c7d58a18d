/**
 * The executable itself: unsupported Node versions, its compile cache, and signals while a command
 * starts or ends.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { start, startServer, temporaryFolder } from "../support/commandLine.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const folder = temporaryFolder()
afterAll(() => Fs.rmSync(folder, { recursive: true, force: true }))

/** Runs the executable under a Node that reports this version. */
const under = (version: string) => {
  const pretend =
    `Object.defineProperty(process, "versions", { value: { ...process.versions, ` +
    `node: "${version}" } })`
  const program = [
    "--conditions=effect-zerobus-source",
    Path.join(root, "src/cli/main.ts"),
    "--version"
  ]
  return spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, ...program],
    {
      encoding: "utf8"
    }
  )
}

describe("the executable", () => {
  it.each(["20.20.2", "22.18.0"])("says under Node %s which version it needs", (version) => {
    const { status, stderr, stdout } = under(version)
    assert.strictEqual(status, 1)
    assert.strictEqual(stdout, "")
    const [major, minor] = version.split(".")
    assert.strictEqual(
      stderr,
      `effect-zerobus needs Node 22.19 or later; this is ${major}.${minor}.\n`
    )
  })

  it("runs under the first version that the package names", () => {
    const { engines } = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))
    assert.strictEqual(engines.node, ">=22.19.0")
    const { status, stderr } = under("22.19.0")
    assert.strictEqual(status, 0, stderr)
  })
})

describe("the compile cache", () => {
  /** Runs `--version` with this folder as the user's cache. */
  const version = (cache: string) => {
    const { NODE_COMPILE_CACHE: _, ...rest } = process.env
    const program = [
      "--conditions=effect-zerobus-source",
      Path.join(root, "src/cli/main.ts"),
      "--version"
    ]
    const env = { ...rest, XDG_CACHE_HOME: cache, LOCALAPPDATA: cache }
    return spawnSync(process.execPath, program, { encoding: "utf8", env })
  }

  it("lies in the user's cache", () => {
    const cache = Fs.mkdtempSync(Path.join(folder, "cache-"))
    const { status, stderr } = version(cache)
    assert.strictEqual(status, 0, stderr)
    assert.isAbove(
      Fs.readdirSync(Path.join(cache, "effect-zerobus"), { recursive: true }).length,
      10
    )
  })

  it("is not missed where its folder cannot be made", () => {
    const blocked = Path.join(folder, "blocked")
    Fs.writeFileSync(blocked, "")
    const { status, stderr, stdout } = version(blocked)
    assert.strictEqual(stderr, "")
    assert.strictEqual(status, 0)
    assert.match(stdout, /\d+\.\d+\.\d+/)
  })
})

describe.skipIf(process.platform === "win32")("a second signal", () => {
  it("ends a server that is still starting, at once", async () => {
    // A start waits half a minute for a heartbeat of a lock holder on another machine.
    const elsewhere = {
      pid: 1,
      started: "1",
      host: "elsewhere.example.com",
      boot: "b",
      space: "s",
      token: "t"
    }
    Fs.writeFileSync(Path.join(folder, ".lock"), JSON.stringify(elsewhere))
    const running = start(["local", "--data-dir", folder, "--port", "0", "--http-port", "0"])
    await Promise.race([
      running.end,
      (async () => {
        while (!Fs.readdirSync(folder).some((name) => name.startsWith(".lock-"))) await sleep(10)
      })()
    ])
    await sleep(100)
    running.child.kill("SIGINT")
    await sleep(400)
    assert.strictEqual(running.child.exitCode, null, "the first one waits for the start to end")
    running.child.kill("SIGTERM")
    assert.strictEqual((await running.end).code, "SIGTERM")
  }, 30_000)

  it("ends at once an ingest that waits for the server; two signals count as one", async () => {
    const server = await startServer(["--memory", "--table", "main.default.t(id INT)"])
    try {
      const running = start(["ingest", "-", "-t", "main.default.t"], server.environment, "caller")
      await running.says(/0 durable/)
      server.child.kill("SIGSTOP")
      running.child.stdin!.write('{"id":1}\n')
      await sleep(200)
      running.child.kill("SIGINT")
      running.child.kill("SIGINT")
      await sleep(400)
      assert.strictEqual(running.child.exitCode, null, "npm passes a signal on twice")
      assert.strictEqual(running.child.signalCode, null, "npm passes a signal on twice")
      running.child.kill("SIGINT")
      assert.strictEqual((await running.end).code, "SIGINT")
    } finally {
      server.child.kill("SIGKILL")
      await server.end
    }
  }, 30_000)
})
