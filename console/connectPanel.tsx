/**
 * The environment variables for a client. The secret is fetched on click.
 */
import { useState } from "preact/hooks"
import type { ServerInfo } from "../src/local/console/consoleMessages.ts"
import { fetchSecret } from "./connection.ts"
import { CopyButton } from "./copy.tsx"

/** Text quoted as one shell word. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** The panel. */
export const ConnectPanel = ({ server }: { readonly server: ServerInfo }) => {
  const [secret, setSecret] = useState<string>()
  const [problem, setProblem] = useState<string>()
  const lines = (value: string) =>
    [...Object.entries(server.environment), [server.secretName, value]]
      .map(([name, text]) => `export ${name}=${shellWord(text!)}`)
      .join("\n")
  const show = () =>
    fetchSecret().then(
      (found) => {
        setSecret(found)
        setProblem(undefined)
      },
      (error: Error) => setProblem(error.message)
    )
  return (
    <section class="panel connect" aria-label="Connect a client">
      <header class="panel-head">
        <h2>Connect a client</h2>
      </header>
      <dl>
        {Object.entries(server.environment).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <code>{value}</code>
            </dd>
          </div>
        ))}
        <div>
          <dt>{server.secretName}</dt>
          <dd>
            {secret === undefined ? <span class="dots">••••••••••••</span> : <code>{secret}</code>}
            <button
              type="button"
              class="button quiet"
              onClick={() => (secret === undefined ? void show() : setSecret(undefined))}
            >
              {secret === undefined ? "Show secret" : "Hide"}
            </button>
          </dd>
        </div>
      </dl>
      {problem !== undefined && <p class="problem">{problem}</p>}
      <footer>
        <CopyButton
          label="Copy all with the secret"
          text={async () => lines(secret ?? (await fetchSecret()))}
        />
      </footer>
    </section>
  )
}
