import { RuntimeError } from '../errors.ts'

/** Where a Redis is and how to enter. */
export interface RedisAddress {
  /** A unix socket, or undefined for host and port. */
  readonly path?: string
  readonly host?: string
  readonly port?: number
  readonly tls: boolean
  readonly username?: string
  readonly password?: string
  readonly db: number
}

/**
 * Reads `redis://user:password@host:6379/0`, `rediss://…` (TLS), and for unix sockets `redis+unix:///path/redis.sock?db=0`
 * or `unix:///path/redis.sock`. Throws `redis_url_invalid`; its message holds no password.
 */
export function parseRedisUrl(url: string): RedisAddress {
  if (!URL.canParse(url)) throw invalid('it is not a URL')
  const { protocol, hostname, port, pathname, searchParams, username, password } = new URL(url)
  const login = {
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
  }
  switch (protocol) {
    case 'redis:':
    case 'rediss:':
      return {
        host: hostname.replace(/^\[|\]$/g, '') || 'localhost',
        port: port ? Number(port) : 6379,
        tls: protocol === 'rediss:',
        db: parseDb(pathname.slice(1) || searchParams.get('db')),
        ...login,
      }
    case 'redis+unix:':
    case 'unix:':
      if (pathname.length < 2) throw invalid('it names no socket')
      return { path: decodeURIComponent(pathname), tls: false, db: parseDb(searchParams.get('db')), ...login }
    default:
      throw invalid(`its protocol is ${protocol}`)
  }
}

function parseDb(text: string | null): number {
  if (text === null) return 0
  if (!/^\d{1,5}$/.test(text)) throw invalid('its database is not a number')
  return Number(text)
}

function invalid(why: string): RuntimeError {
  return new RuntimeError(
    'redis_url_invalid',
    `the Redis URL does not do: ${why} (expected redis://host:6379/0, rediss://…, or redis+unix:///path/redis.sock)`,
  )
}
