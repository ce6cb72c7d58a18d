/**
 * `zerobus local` as a process: restarts, TLS, the environment it prints, failures to start.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Path from "node:path"
import { start, startServer, zerobus, zerobusProcess } from "../support/commandLine.ts"
import { readings, readingsServer } from "../support/readingsServer.ts"

const { dataDir, environment, file, folder } = readingsServer()

describe("zerobus local", () => {
  it("keeps tables over a restart, and warns of a table of another definition", async () => {
    const own = Path.join(folder, "own")
    const first = await startServer(["--data-dir", own, "--table", readings])
    const filled = await zerobus(
      ["ingest", file("a.ndjson", '{"device":"a"}\n'), "-t", "main.default.readings"],
      first.environment
    )
    assert.strictEqual(filled.code, 0, filled.err)
    first.child.kill("SIGTERM")
    assert.strictEqual((await first.end).code, 0)

    const second = await startServer(["--data-dir", own, "--table", readings])
    assert.strictEqual(
      second.environment["DATABRICKS_CLIENT_SECRET"],
      first.environment["DATABRICKS_CLIENT_SECRET"]
    )
    const shown = await zerobus(
      ["table", "show", "main.default.readings", "--json"],
      second.environment
    )
    assert.strictEqual(JSON.parse(shown.out).rows, 1)
    second.child.kill("SIGINT")
    assert.strictEqual((await second.end).code, 0)

    const third = await startServer([
      "--data-dir",
      own,
      "--table",
      "main.default.readings(a INT, device STRING)"
    ])
    await third.says(
      /readings exists and is kept as it is: it has no column a; .*it also has the column temp/
    )
    assert.match(
      third.err(),
      /add what it lacks: zerobus table alter main\.default\.readings add column 'a INT'/
    )
    assert.match(third.err(), /its column device differs in NOT NULL/)
    const again = await zerobus(
      ["ingest", file("b.ndjson", '{"device":"b"}\n'), "-t", "main.default.readings"],
      third.environment
    )
    assert.strictEqual(again.code, 0, again.err)
    third.child.kill("SIGTERM")
    assert.strictEqual((await third.end).code, 0)
  }, 60_000)

  it("serves https to clients that trust its certificate, and to no others", async () => {
    const secure = await startServer([
      "--data-dir",
      Path.join(folder, "secure"),
      "--tls",
      "--table",
      readings
    ])
    assert.match(secure.environment["ZEROBUS_SERVER_ENDPOINT"]!, /^https:/)
    const args = [
      "ingest",
      file("secure.ndjson", '{"device":"a"}\n'),
      "-t",
      "main.default.readings"
    ]
    const trusting = await zerobusProcess(args, secure.environment)
    assert.strictEqual(trusting.code, 0, trusting.err)
    const { NODE_EXTRA_CA_CERTS: _, ...rest } = secure.environment
    const distrusting = await zerobusProcess(args, rest)
    assert.strictEqual(distrusting.code, 2)
    assert.match(distrusting.err, /TLS handshake with https:.* was refused/)
    secure.child.kill("SIGTERM")
    assert.strictEqual((await secure.end).code, 0)
  }, 60_000)

  it("serves https under the given names, with an authority that stays while they do", async () => {
    const folderOf = Path.join(folder, "named")
    const serve = async (...args: ReadonlyArray<string>) => {
      const server = await startServer(["--data-dir", folderOf, "--tls", ...args])
      const port = Number(new URL(server.environment["DATABRICKS_WORKSPACE_URL"]!).port)
      const ca = Fs.readFileSync(server.environment["NODE_EXTRA_CA_CERTS"]!, "utf8")
      const ask = (servername: string) =>
        new Promise<number | string>((resolve) => {
          Https.get(
            { port, servername, ca, path: "/health", headers: { host: `${servername}:${port}` } },
            (answer) => {
              answer.resume()
              resolve(answer.statusCode!)
            }
          ).on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""))
        })
      const asked = [await ask("zerobus.test"), await ask("other.test"), await ask("localhost")]
      server.child.kill("SIGTERM")
      await server.end
      return { asked, ca }
    }
    const wrongName = "ERR_TLS_CERT_ALTNAME_INVALID"
    const named = await serve("--tls-name", "zerobus.test")
    assert.deepStrictEqual(named.asked, [200, wrongName, 200])
    assert.strictEqual((await serve("--allow-host", "zerobus.test")).ca, named.ca)
    const both = await serve("--allow-host", "zerobus.test", "--allow-host", "other.test")
    assert.deepStrictEqual(both.asked, [200, 200, 200])
  }, 60_000)

  it("shows rows as soon as they are acknowledged when asked to", async () => {
    const visible = await startServer([
      "--data-dir",
      Path.join(folder, "visible"),
      "--visible-once-acked",
      "--table",
      readings
    ])
    const path = file("visible.ndjson", '{"device":"a"}\n{"device":"b"}\n')
    for (const rows of [2, 4, 6]) {
      const { code, err } = await zerobus(
        ["ingest", path, "-t", "main.default.readings"],
        visible.environment
      )
      assert.strictEqual(code, 0, err)
      const shown = await zerobus(
        ["table", "show", "main.default.readings", "--json"],
        visible.environment
      )
      assert.strictEqual(JSON.parse(shown.out).rows, rows)
    }
    visible.child.kill("SIGTERM")
    const { code, err } = await visible.end
    assert.strictEqual(code, 0)
    // Stopping also logs the commits that have no line yet.
    const written = err.match(/Table written \(table main\.default\.readings, .*\)/g) ?? []
    assert.match(written.at(-1)!, /rows 6\)$/)
  }, 60_000)

  it("prints the environment as lines for a shell", async () => {
    const args = ["--principal", "reader: SELECT ON main", "--principal", "nobody: NONE"]
    const running = start(["local", "--memory", "--port", "0", "--http-port", "0", ...args])
    await running.says(/Ctrl-C stops it/)
    assert.match(
      running.out(),
      /^# Instead as reader, which has SELECT on main:\n# export DATABRICKS_CLIENT_ID=reader /m
    )
    assert.match(running.out(), /^# Instead as nobody, which may do nothing:$/m)
    // Pasting the whole output selects the first principal.
    assert.deepStrictEqual(running.out().match(/^export DATABRICKS_CLIENT_ID=.*$/gm), [
      "export DATABRICKS_CLIENT_ID=local-client"
    ])
    for (const name of [
      "ZEROBUS_SERVER_ENDPOINT",
      "DATABRICKS_WORKSPACE_URL",
      "DATABRICKS_CLIENT_ID",
      "DATABRICKS_CLIENT_SECRET"
    ]) {
      assert.match(running.out(), new RegExp(`^export ${name}=\\S+$`, "m"))
    }
    running.child.kill("SIGINT")
    assert.strictEqual((await running.end).code, 0)
  })

  it("logs events as text or JSON, without records or credentials", async () => {
    const path = file("logged.ndjson", '{"device":"canary-value"}\n')
    const served = ["--memory", "--table", readings]
    for (const format of ["text", "json"]) {
      const running = await startServer([...served, "--log-format", format])
      const command = (table: string, environment = running.environment) =>
        zerobus(["ingest", path, "-t", `main.default.${table}`, "--format", "ndjson"], environment)
      assert.strictEqual((await command("readings")).code, 0)
      assert.notStrictEqual((await command("missing")).code, 0)
      const wrong = { ...running.environment, DATABRICKS_CLIENT_SECRET: "canary-secret" }
      assert.notStrictEqual((await command("readings", wrong)).code, 0)
      running.child.kill("SIGTERM")
      const { err } = await running.end
      assert.notInclude(err, "canary")
      assert.notInclude(err, running.environment["DATABRICKS_CLIENT_SECRET"]!)
      const lines = err.trimEnd().split("\n")
      if (format === "json") {
        const messages = lines.map((line) => [JSON.parse(line).message].flat()[0])
        const expected = [
          "Table created",
          "Token minted",
          "Stream opened",
          "Stream ended",
          "Token refused"
        ]
        for (const message of expected) assert.include(messages, message)
        continue
      }
      for (const line of [
        /INFO Table created \(table main\.default\.readings\)/,
        /INFO Token minted \(client local-client, table main\.default\.readings\)/,
        /INFO Stream opened \(table main\.default\.readings, stream \S+, client 127\.0\.0\.1:\d+, kind Json\)/,
        /INFO Stream ended \(table main\.default\.readings, .*records 1, bytes \d+, seconds [\d.]+, end OK\)/,
        /WARN Token refused \(client local-client\): Client authentication failed/
      ]) {
        assert.isTrue(
          lines.some((each) => line.test(each)),
          `${line}\n${err}`
        )
      }
    }
  }, 60_000)

  it("says in one line that a port or the folder is taken", async () => {
    const port = new URL(environment["ZEROBUS_SERVER_ENDPOINT"]!).port
    const taken = await zerobus(["local", "--memory", "--port", port, "--http-port", "0"])
    assert.strictEqual(taken.code, 2)
    assert.include(taken.err, `Port ${port} on 127.0.0.1 is in use.`)
    const http = Net.createServer()
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
    const httpPort = String((http.address() as Net.AddressInfo).port)
    const takenHttp = await zerobus(["local", "--memory", "--port", "0", "--http-port", httpPort])
    http.close()
    assert.strictEqual(takenHttp.code, 2)
    assert.include(takenHttp.err, `Port ${httpPort} on 127.0.0.1 is in use.`)
    const locked = await zerobus([
      "local",
      "--data-dir",
      dataDir,
      "--port",
      "0",
      "--http-port",
      "0"
    ])
    assert.strictEqual(locked.code, 2)
    assert.match(locked.err, /in use|another/i)
    assert.include(locked.err, dataDir)
  }, 30_000)

  it.each<readonly [args: ReadonlyArray<string>, says: RegExp]>([
    [
      ["--data-dir", Path.join(file("a-file", ""), "data")],
      /a-file\/data cannot be a folder.*choose another/
    ],
    [
      ["--data-dir", file("a-file", "")],
      /a-file is a file, where a folder is needed\. Choose another/
    ],
    [["--data-dir", ""], /--data-dir must name a folder/],
    [["--data-dir", "x", "--memory"], /--memory keeps no tables/],
    [["--memory", "--stream-life", "0 seconds"], /--stream-life must be a duration.*above 0/],
    [["--memory", "--ack-interval", "-1 millis"], /--ack-interval/],
    [["--memory", "--host", "0.0.0.0", "--allow-remote", "--no-auth"], /without checking tokens/],
    [["--memory", "--table", "bad("], /cannot be read/],
    [["--memory", "--port", "70000", "--http-port", "0"], /0 to 65535/],
    [["--memory", "--stream-life", "soon"], /must be a duration/],
    [["--memory", "--host", "0.0.0.0"], /loopback.*--allow-remote/],
    [["--memory", "--rate-limit", "0"], /at least 1/],
    [["--memory", "--tls"], /needs a data folder/],
    [
      ["--memory", "--allow-host", "a:80"],
      /--allow-host takes names and addresses .* and not "a:80"/
    ]
  ])("%j ends with 1 and says why", async (args, says) => {
    const { code, err, out } = await zerobus(["local", ...args])
    assert.strictEqual(code, 2)
    assert.match(err + out, says)
    assert.notMatch(err, /\n\s+at /, "no stack trace")
  })
})
