/**
 * The console in Chromium: what it shows of a running server, and its mouse and keyboard controls.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import type { Browser, Page } from "playwright-core"
import {
  executablePath,
  launch,
  openPage,
  type RunningLocal,
  startLocal,
  untilLive,
  type WatchedPage
} from "./consolePage.ts"

const table = "main.default.air_quality"
const row = (page: Page, name: string) => page.locator(".grid-tables .row.body", { hasText: name })

describe.skipIf(executablePath === undefined)("the console", () => {
  let browser: Browser
  let server: RunningLocal
  let opened: WatchedPage
  beforeAll(async () => {
    browser = await launch()
    server = await startLocal()
    await server.run(server.local.createTable(`${table}(device_name STRING, temp INT)`))
    opened = await openPage(browser, server.local)
    await untilLive(opened.page)
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  const openStream = Effect.gen(function* () {
    const zerobus = yield* Zerobus
    return yield* zerobus.createStream(TableProperties.json(table))
  })
  const records = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ device_name: `sensor-${n}`, temp: n }))

  it("opens by its link, keeps no token in the address, and shows empty panels", async () => {
    const { page } = opened
    assert.strictEqual(page.url(), `${server.local.workspaceUrl}/`)
    const [cookie] = await page.context().cookies(`${server.local.workspaceUrl}/console/events`)
    assert.deepStrictEqual(
      [cookie?.httpOnly, cookie?.sameSite, cookie?.path],
      [true, "Strict", "/console"]
    )
    assert.include(await page.locator(".grid-streams .empty").innerText(), "No stream is open")
    assert.include(await row(page, "air_quality").textContent(), "main.default.air_quality")
    opened.assertClean()
  })

  it("stays locked without the link, and opens in the same tab with it", async () => {
    const other = await openPage(browser, server.local, { address: server.local.workspaceUrl })
    const { page } = other
    await page.getByRole("heading", { name: "Open the console with its link" }).waitFor()
    assert.notInclude(await page.locator("body").innerText(), "air_quality")
    await page.goto(Redacted.value(server.local.consoleUrl!))
    await untilLive(page)
    await row(page, "air_quality").waitFor()
    await other.close()
  })

  it("shows an ingest while it runs", async () => {
    const { page } = opened
    const stream = await server.run(openStream)
    await page.locator(".grid-streams .row.body", { hasText: "air_quality" }).waitFor()
    for (const total of [300, 600, 900]) {
      await server.run(Effect.andThen(stream.ingestRecords(records(300)), stream.flush))
      await page.locator(".numbers", { hasText: `${total} since the start` }).waitFor()
    }
    await page.waitForFunction(() =>
      /^[1-9]/.test(document.querySelector(".grid-tables .row.body .lively")?.textContent ?? "")
    )
    assert.match(
      await page.locator(".grid-streams .row.body").innerText(),
      /JSON[\s\S]*900\s+900\s+900\s+0/
    )
    // Both plots have drawn pixels in the colour of a line.
    const drawn = await page.locator(".plot canvas").evaluateAll((all) =>
      all.map((canvas) => {
        const { height, width } = canvas as HTMLCanvasElement
        const { data } = (canvas as HTMLCanvasElement)
          .getContext("2d")!
          .getImageData(0, 0, width, height)
        let vivid = 0
        for (let at = 0; at < data.length; at += 4) {
          if (Math.max(...data.slice(at, at + 3)) - Math.min(...data.slice(at, at + 3)) > 60)
            vivid++
        }
        return vivid
      })
    )
    for (const pixels of drawn) assert.isAbove(pixels, 20)
    await server.run(stream.close)
    await page.locator(".events li", { hasText: "Stream closed" }).waitFor()
    await page.locator(".grid-streams .empty").waitFor()
    opened.assertClean()
  })

  it("shows a refused record with its column and reason", async () => {
    const { page } = opened
    const stream = await server.run(openStream)
    await server.run(
      Effect.ignore(
        Effect.flatMap(stream.ingestRecord({ temp: "warm" } as never), (ack) => ack.await)
      )
    )
    const told = page.locator(".events li.bad", { hasText: "Record refused" }).first()
    assert.match(await told.innerText(), /Column temp: /)
    await server.run(Effect.ignore(stream.close))
    opened.assertClean()
  })

  it("shows the secret after a click, and receives it in no earlier response", async () => {
    const secret = Redacted.value(server.local.clientSecret)
    const other = await openPage(browser, server.local)
    const { page } = other
    const asked: Array<string> = []
    page.on("request", (request) => asked.push(new URL(request.url()).pathname))
    await untilLive(page)
    assert.notInclude(await page.content(), secret)
    assert.notInclude(asked, "/console/secret")
    await page.getByRole("button", { name: "Show secret" }).click()
    await page.locator(".connect code", { hasText: secret }).waitFor()
    await page.getByRole("button", { name: "Hide" }).click()
    assert.notInclude(await page.content(), secret)
    other.assertClean()
    await other.close()
  })

  it("copies the four variables", async () => {
    const other = await openPage(browser, server.local, {
      permissions: ["clipboard-read", "clipboard-write"]
    })
    const { page } = other
    await untilLive(page)
    await page.getByRole("button", { name: "Copy all with the secret" }).click()
    await page.getByRole("button", { name: "Copied" }).waitFor()
    const lines = (await page.evaluate(() => navigator.clipboard.readText())).split("\n")
    assert.deepStrictEqual(
      lines.map((line) => /^export (\w+)=\S+$/.exec(line)?.[1]),
      [
        "ZEROBUS_SERVER_ENDPOINT",
        "DATABRICKS_WORKSPACE_URL",
        "DATABRICKS_CLIENT_ID",
        "DATABRICKS_CLIENT_SECRET"
      ]
    )
    await other.close()
  })

  it("scripts faults by its buttons, and clears them", async () => {
    const { page } = opened
    const stream = await server.run(openStream)
    await row(page, "air_quality").click()
    const dialog = page.getByRole("dialog")
    await dialog.getByRole("tab", { name: "Faults" }).click()
    await dialog.getByRole("button", { name: "Disconnect" }).click()
    await dialog.getByText("1 fault waits.").waitFor()
    await server.run(
      Effect.andThen(stream.ingestRecord({ device_name: "a", temp: 1 }), stream.flush)
    )
    await dialog.getByText("No fault waits.").waitFor()
    await dialog.getByRole("button", { name: "Stall" }).click()
    await dialog.getByText("1 fault waits.").waitFor()
    const ack = await server.run(stream.ingestRecord({ device_name: "b", temp: 2 }))
    await dialog.getByText("1 acknowledgement is held").waitFor()
    await dialog.getByRole("button", { name: "Clear faults" }).click()
    await server.run(ack.await)
    await dialog.getByText("No fault waits.").waitFor()
    await dialog.getByRole("button", { name: "Close" }).click()
    const told = (
      await page.locator(".events li", { hasText: "Fault struck" }).allInnerTexts()
    ).join()
    assert.include(told, "Connection broken, at message")
    assert.include(told, "Held, at ack")
    await server.run(stream.close)
    opened.assertClean()
  })

  it("shows a table's last rows, columns and SQL by keyboard alone", async () => {
    const { page } = opened
    await page.locator(".grid-tables .filter").focus()
    await page.keyboard.press("Tab")
    for (let presses = 0; presses < 20; presses++) {
      if (await page.evaluate(() => document.activeElement?.getAttribute("role") === "grid")) break
      await page.keyboard.press("Tab")
    }
    assert.strictEqual(
      await page.evaluate(() => document.activeElement?.getAttribute("aria-label")),
      "Tables"
    )
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    const dialog = page.getByRole("dialog")
    await dialog.getByRole("heading", { name: table }).waitFor()
    await dialog.locator("tbody tr").first().waitFor()
    assert.deepStrictEqual(await dialog.locator("thead th").allInnerTexts(), [
      "device_name",
      "temp"
    ])
    await dialog.getByRole("tab", { name: "Last rows" }).focus()
    await page.keyboard.press("ArrowRight")
    assert.include(await dialog.locator(".schema").innerText(), "device_name\tstring\tyes")
    await page.keyboard.press("ArrowRight")
    assert.include(await dialog.locator("pre").first().innerText(), `FROM ${table}`)
    await page.keyboard.press("Escape")
    await dialog.waitFor({ state: "detached" })
    assert.strictEqual(
      await page.evaluate(() => document.activeElement?.getAttribute("aria-label")),
      "Tables"
    )
    opened.assertClean()
  })

  it("reports that its server has stopped, and that the next one has another link", async () => {
    const first = await startLocal()
    const other = await openPage(browser, first.local)
    const { page } = other
    await untilLive(page)
    const httpPort = Number(new URL(first.local.workspaceUrl).port)
    await first.stop()
    await page.getByRole("alert").waitFor()
    assert.include(await page.getByRole("alert").innerText(), "has stopped or cannot be reached")
    const second = await startLocal({ httpPort })
    await page.getByText("The server was restarted").waitFor()
    await page.goto(Redacted.value(second.local.consoleUrl!))
    await untilLive(page)
    await page.getByText("No tables yet").waitFor()
    await other.close()
    await second.stop()
  })
})
