import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'

/** The kernel's limit for a socket path, with its closing NUL: 108 bytes on Linux, 104 on macOS. */
const maxSocketPathBytes = 103

/**
 * The directory for a data directory's unix sockets, made for its owner only: the data directory itself, or, when the
 * path of a socket in it would be too long, one in the system's temporary folder named after it. The same data
 * directory gets the same answer every time, so a socket found there tells of an earlier life of the same data.
 */
export function prepareSocketDir(dataDir: string, socketName: string, temporaryDir: string = tmpdir()): string {
  const own = resolve(dataDir)
  if (Buffer.byteLength(join(own, socketName)) <= maxSocketPathBytes) {
    mkdirSync(own, { recursive: true, mode: 0o700 })
    chmodSync(own, 0o700)
    return own
  }
  const { uid } = userInfo()
  const hash = createHash('sha256').update(own).digest('hex').slice(0, 16)
  const short = join(temporaryDir, `inferq-${uid}-${hash}`)
  mkdirSync(short, { recursive: true, mode: 0o700 })
  const found = lstatSync(short)
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid)) throw new Error(`${short} belongs to somebody else`)
  chmodSync(short, 0o700)
  return short
}
