/** Runs the real protobuf compiler for conformance tests. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/**
 * Compiles files (name to text) into one serialized `FileDescriptorSet`, in the given order. Fails
 * when `protoc` is missing, because these tests need it (Debian: `apt-get install
 * protobuf-compiler`).
 */
export const compileProtos = (files: ReadonlyMap<string, string>): Uint8Array => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-protoc-"))
  try {
    for (const [name, text] of files) writeFileSync(join(folder, name), text)
    execFileSync("protoc", ["--proto_path=.", "--descriptor_set_out=out.bin", ...files.keys()], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"]
    })
    return readFileSync(join(folder, "out.bin"))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
