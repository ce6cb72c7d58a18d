/** The content of `examples/cluster.compose.yaml`, as Compose reads it. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse } from "yaml"

export const root = Path.join(import.meta.dirname, "../..")

export interface Service {
  readonly build?: string | { readonly context: string; readonly dockerfile_inline: string }
  readonly image?: string
  readonly command?: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly volumes?: ReadonlyArray<string>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: unknown
}

export const compose = parse(
  Fs.readFileSync(Path.join(root, "examples/cluster.compose.yaml"), "utf8"),
  {
    strict: true,
    uniqueKeys: true,
    merge: true
  }
) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

/** The nodes, by name. */
export const nodes = Object.entries(compose.services).filter(([name]) => name.startsWith("node-"))
