/**
 * Sessions of the transports that have them, each for the caller who opened it alone. A session id
 * proves nothing: "MCP servers MUST NOT use sessions for authentication", and SHOULD bind them to the
 * user. MCP Security Best Practices, "State Handle Hijacking".
 */
import { callerIn, type HasExtra } from './auth-info.js'
import type { DownstreamCaller } from './downstream.js'

export interface SessionsOptions<Session> {
  /** Told of every session that is over, whoever ended it: `(transport) => transport.close()`. */
  onEnd?: ((session: Session) => unknown) | undefined
  /** Over when nobody has used it for so long. @defaultValue 3600 */
  idleSeconds?: number | undefined
  /** Of all callers together. Beyond it the one that was unused for longest ends. @defaultValue 10000 */
  max?: number | undefined
  /** Of one caller, so that nobody ends the sessions of others. @defaultValue 100 */
  maxPerCaller?: number | undefined
  /** Milliseconds since 1970. @defaultValue Date.now */
  now?: (() => number) | undefined
}

export interface Sessions<Session> {
  /** Binds a new session to its caller. @throws TypeError for an id that is in use */
  open(authInfo: HasExtra | undefined, id: string, session: Session): void
  /**
   * The session with this id, for the caller who opened it. Everybody else gets the 404 that an
   * unknown id gets, and does not learn that it exists. `undefined` where no id was sent: the client
   * wants a new one.
   */
  find(
    authInfo: HasExtra | undefined,
    id: string | null | undefined,
  ): Session | Response | undefined
  /** Forgets a session, which its transport has closed. */
  end(id: string): void
  /** Ends them all: before the process ends. */
  close(): void
}

interface Entry<Session> {
  session: Session
  owner: string
  usedAt: number
}

const misuse = (problem: string): TypeError => new TypeError(`guard.sessions: ${problem}`)

const atLeastOne = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw misuse(`${name} must be a whole number, at least 1.`)
}

// MCP Streamable HTTP, "Session Management": 404, and the client starts a new session.
const notFound = (): Response =>
  Response.json(
    { jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null },
    { status: 404, headers: { 'Cache-Control': 'no-store' } },
  )

/** Whom the caller acts for, who acts, in which tenant and by which client: all of it, or no match. */
const nameOf = ({ subject, actor, tenantId, clientId }: DownstreamCaller): string =>
  JSON.stringify([subject, actor, tenantId ?? null, clientId])

const createStore = <Session>({
  onEnd,
  idleSeconds = 3600,
  now = Date.now,
  ...most
}: SessionsOptions<Session>) => {
  const max = atLeastOne('max', most.max ?? 10_000)
  const maxPerCaller = atLeastOne('maxPerCaller', most.maxPerCaller ?? 100)
  const idleMs = atLeastOne('idleSeconds', idleSeconds) * 1000
  /** In the order of their last use. */
  const entries = new Map<string, Entry<Session>>()

  /** One that fails to close is over all the same. */
  const tell = async (session: Session): Promise<void> => {
    try {
      await onEnd?.(session)
    } catch {}
  }
  const end = (id: string): void => {
    const entry = entries.get(id)
    // Out first: a transport that is closed says so, and ends here once more.
    if (entries.delete(id) && entry) void tell(entry.session)
  }
  const endIdle = (): void => {
    for (const [id, { usedAt }] of entries) {
      if (now() - usedAt <= idleMs) return
      end(id)
    }
  }
  const oldestOf = (owner: string): string | undefined => {
    const own = [...entries].filter(([, entry]) => entry.owner === owner)
    return own.length > maxPerCaller ? own[0]?.[0] : undefined
  }
  const use = (id: string, entry: Omit<Entry<Session>, 'usedAt'>): void => {
    entries.delete(id)
    entries.set(id, { ...entry, usedAt: now() })
  }
  return {
    add: (id: string, owner: string, session: Session): void => {
      endIdle()
      if (entries.has(id)) throw misuse('this id is in use. Make ids that nobody can guess.')
      use(id, { owner, session })
      const [oldest] = entries.keys()
      const over = oldestOf(owner) ?? (entries.size > max ? oldest : undefined)
      if (over !== undefined) end(over)
    },
    get: (id: string, owner: string): Entry<Session> | undefined => {
      endIdle()
      const entry = entries.get(id)
      if (entry?.owner !== owner) return undefined
      use(id, entry)
      return entry
    },
    end,
    close: (): void => {
      for (const id of [...entries.keys()]) end(id)
    },
  }
}

/** @throws TypeError for bounds that are none */
export const createSessions = <Session>(
  callerOf: (caller: unknown) => DownstreamCaller,
  options: SessionsOptions<Session>,
): Sessions<Session> => {
  const { add, get, end, close } = createStore(options)
  const ownerIn = (authInfo: HasExtra | undefined) => nameOf(callerOf(callerIn({ authInfo })))
  return Object.freeze<Sessions<Session>>({
    open: (authInfo, id, session) => {
      if (typeof id !== 'string' || id === '') throw misuse('a session needs an id.')
      add(id, ownerIn(authInfo), session)
    },
    find: (authInfo, id) => {
      const owner = ownerIn(authInfo)
      if (id === null || id === undefined) return undefined
      const entry = get(id, owner)
      return entry ? entry.session : notFound()
    },
    end,
    close,
  })
}
