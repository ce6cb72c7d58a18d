/**
 * The console's page in a real Chromium: a browser per test file, pages that record errors, and a
 * local server to show.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import type { Zerobus } from "effect-zerobus"
import {
  ZerobusLocal,
  type ZerobusLocalOptions,
  type ZerobusLocalShape
} from "effect-zerobus/testing"
import * as Path from "node:path"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

/** The browser's path, found by `scripts/browser.mjs`. Without one the tests are skipped. */
export const executablePath = process.env["CHROMIUM_PATH"]

/** The folder of the screenshots. */
export const reports = Path.resolve(import.meta.dirname, "../../reports/console")

/** Starts the browser. As root it runs without its sandbox, which does not start there. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: executablePath!,
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : []
  })

/** A page that records everything that must not happen in it. */
export interface WatchedPage {
  readonly page: Page
  /** Fails if the page logged an error, threw, or sent a request to another server. */
  readonly assertClean: () => void
  readonly close: () => Promise<void>
}

/** Opens the console of a server by its link, or by `address` if given. */
export const openPage = async (
  browser: Browser,
  local: ZerobusLocalShape,
  { address, ...options }: BrowserContextOptions & { readonly address?: string } = {}
): Promise<WatchedPage> => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  const wrong: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrong.push(message.text())
  })
  page.on("pageerror", (error) => wrong.push(error.message))
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== local.workspaceUrl)
      wrong.push(`requested ${request.url()}`)
  })
  await page.goto(address ?? Redacted.value(local.consoleUrl!))
  return {
    page,
    assertClean: () => assert.deepStrictEqual(wrong, []),
    close: () => context.close()
  }
}

/** Waits until the page shows live data. */
export const untilLive = (page: Page): Promise<void> => page.locator(".status.live").waitFor()

/**
 * A local server with a console, on disk if `dataDir` is given, and a function that runs effects
 * with it.
 */
export const startLocal = async ({
  dataDir,
  ...options
}: ZerobusLocalOptions & { readonly dataDir?: string } = {}) => {
  const layer =
    dataDir === undefined
      ? ZerobusLocal.layerMemoryWith({ console: true, ...options })
      : ZerobusLocal.layer({ console: true, dataDir, ...options })
  const runtime = ManagedRuntime.make(Layer.fresh(layer))
  const local = await runtime.runPromise(ZerobusLocal)
  const scope = Scope.makeUnsafe()
  return {
    local,
    /** Runs an effect. Resources it opens stay open until the server stops. */
    run: <A, E>(effect: Effect.Effect<A, E, Zerobus | Scope.Scope>): Promise<A> =>
      runtime.runPromise(Effect.provideService(effect, Scope.Scope, scope)),
    stop: async () => {
      await runtime.runPromise(Scope.close(scope, Exit.void))
      await runtime.dispose()
    }
  }
}

/** A running server. */
export type RunningLocal = Awaited<ReturnType<typeof startLocal>>
