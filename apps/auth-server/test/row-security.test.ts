/** Other roles of the database: a dashboard, an analyst, whoever exports the data of one tenant. */
import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Drizzle, openDatabase, type Row, rowsOf } from '../src/store/database.js'
import {
  agent,
  baseConfig,
  createDatabase,
  delegateOnce,
  docs,
  openTestServer,
  otherTenantDocs,
  type TestServer,
} from './harness.js'

/** Every table, and what another role may read of it. A new one has to be put here, too. */
const ofOneTenant = [
  'budgets',
  'consents',
  'delegation_rules',
  'delegations',
  'issuances',
  'leases',
  'ledger_entries',
  'ledger_openings',
  'members',
  'request_minutes',
  'reservations',
  'resources',
  'revocations',
  'tenants',
  'users',
]
const ofNobody = [
  'accounts',
  'attempts',
  'authorization_codes',
  'authorization_requests',
  'clients',
  'device_codes',
  'idempotency_keys',
  'invitations',
  'passkeys',
  'refresh_tokens',
  'registry_version',
  'retired_resources',
  'sessions',
  'signing_keys',
  'sso_providers',
  'token_lifetimes',
  'two_factors',
  'verifications',
]
const views = ['tenant_clients']
const all = [...ofOneTenant, ...ofNobody, ...views]

const person = (name: string, tenant_id: string) => ({
  email: `${name}@${tenant_id}.test`,
  name,
  password: 'seven quiet rivers',
  tenant_id,
})

const config = {
  ...baseConfig,
  clients: [
    ...baseConfig.clients,
    agent('globex-helper', { tenant_id: 'globex', resources: [otherTenantDocs] }),
  ],
  delegation_rules: [
    ...baseConfig.delegation_rules,
    { from: 'globex-agent', to: 'globex-helper', max_delegation_depth: 1 },
  ],
  users: [person('alice', 'acme'), person('gina', 'globex')],
}

const role = `reader_${randomBytes(6).toString('hex')}`

let server: TestServer

const asOwner = async (text: string): Promise<Row[]> =>
  rowsOf(await server.database.drizzle.execute(sql.raw(text)))

/** What the role reads, or does, within one transaction. */
const asReader = async (text: string, tenant?: string): Promise<Row[]> =>
  server.database.drizzle.transaction(async (transaction: Drizzle) => {
    await transaction.execute(sql.raw(`set local role ${role}`))
    if (tenant !== undefined) {
      await transaction.execute(sql`select set_config('behalf.tenant_id', ${tenant}, true)`)
    }
    return rowsOf(await transaction.execute(sql.raw(text)))
  })

const read = (table: string, tenant?: string) => asReader(`select * from ${table}`, tenant)

const dummies: Record<string, string> = {
  ARRAY: `'{}'`,
  bigint: '1',
  boolean: 'true',
  integer: '1',
  jsonb: `'{}'`,
  'timestamp with time zone': 'now()',
}

/** A row of whatever fits, so that nothing is unseen only because it is not there. */
const fill = async (table: string): Promise<void> => {
  const [found] = await asOwner(`select 1 from ${table} limit 1`)
  if (found) return
  const columns = await asOwner(`
    select column_name, data_type from information_schema.columns
    where table_schema = 'public' and table_name = '${table}' and is_nullable = 'NO'
      and column_default is null and is_generated = 'NEVER'`)
  const dummyFor = ({ column_name, data_type }: Row): string => {
    if (column_name === 'user_id' || column_name === 'inviter_id')
      return '(select min(id) from users)'
    return column_name === 'tenant_id' ? `'acme'` : (dummies[String(data_type)] ?? `'something'`)
  }
  const names = columns.map(({ column_name }) => column_name).join(', ')
  await asOwner(`insert into ${table} (${names}) values (${columns.map(dummyFor).join(', ')})`)
}

const workAt = async (
  resource: string,
  resourceServer: string,
  [from, to]: [string, string],
): Promise<void> => {
  const own = await server.clientCredentials(from, { resource })
  const { token } = await delegateOnce(server, {}, from, to, own.body.access_token)
  const reserved = await server.ledger(resourceServer, '/reservations', {
    token,
    amount_usd: '0.5',
    action: 'docs.read',
  })
  const lease = { token, want_usd: '0.1', holder: 'one', ttl_seconds: 30 }
  const leased = await server.ledger(resourceServer, '/leases', lease)
  expect([reserved.status, leased.status]).toEqual([201, 201])
  await server.revoke(to, token)
}

beforeAll(async () => {
  server = await openTestServer({ config })
  await workAt(docs, 'docs-server', ['orchestrator', 'researcher'])
  await workAt(otherTenantDocs, 'globex-docs-server', ['globex-agent', 'globex-helper'])
  await asOwner(`
    insert into request_minutes (budget_id, minute, count)
    select id, 1, 1 from budgets where id in ('tenant:acme', 'tenant:globex')`)
  await asOwner(`
    insert into ledger_openings (budget_id, spent, held, entries, last_at)
    select id, 0, 0, 1, now() from budgets where id in ('tenant:acme', 'tenant:globex')`)
  await asOwner(`
    insert into consents (id, subject, client_id, tenant_id, scope, resources, granted, limits,
      delegation_id, created_at)
    select 'cns_' || m.id, m.user_id, 'desktop', m.tenant_id, '{}', '{}', '{}', '{}', 'dlg', now()
    from members m`)
  await asOwner(
    `insert into resources (resource, scopes_supported) values ('https://all.test', '{}')`,
  )
  for (const table of ofNobody) await fill(table)
  await asOwner(`create role ${role}`)
  await asOwner(`grant usage on schema public to ${role}`)
  await asOwner(`grant select, insert, update, delete on all tables in schema public to ${role}`)
})
afterAll(async () => {
  await asOwner(`drop owned by ${role}`)
  await asOwner(`drop role ${role}`)
  await server.close()
})

describe('the schema', () => {
  test('has row-level security on each table, and a policy for those that others may read', async () => {
    const tables = await asOwner(`
      select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
        array(select p.polname || ' ' || p.polcmd::text from pg_policy p where p.polrelid = c.oid) as policies
      from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by c.relname`)
    const expected = (policies: string[]) => (name: string) => ({
      name,
      enabled: true,
      forced: false,
      policies,
    })
    expect(tables).toEqual(
      [...ofOneTenant.map(expected(['one_tenant r'])), ...ofNobody.map(expected([]))].toSorted(
        (one, other) => (one.name < other.name ? -1 : 1),
      ),
    )
  })

  test('has no other view', async () => {
    const found = await asOwner(`
      select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')`)
    expect(found.map(({ name }) => name)).toEqual(views)
  })

  test('has something in each table to be hidden', async () => {
    for (const table of all.filter((name) => !views.includes(name))) {
      expect([table, (await asOwner(`select 1 from ${table} limit 1`)).length]).toEqual([table, 1])
    }
  })

  test('asks nothing of its owner', async () => {
    for (const table of ofOneTenant) {
      const plan = JSON.stringify(await asOwner(`explain select * from ${table}`))
      expect(plan).toContain('Scan')
      expect(plan).not.toMatch(/current_setting|SubPlan|Filter/)
    }
  })
})

describe('another role', () => {
  test.each(all)('sees nothing of %s before it says which tenant', async (table) => {
    expect(await read(table)).toEqual([])
    expect(await read(table, '')).toEqual([])
    expect(await read(table, 'nobody')).toEqual([])
  })

  test.each(ofNobody)('never sees anything of %s', async (table) => {
    expect(await read(table, 'acme')).toEqual([])
    expect(await read(table, 'globex')).toEqual([])
  })

  test.each([...ofOneTenant, ...views])('sees of %s what is of that tenant', async (table) => {
    const acme = await read(table, 'acme')
    const globex = await read(table, 'globex')
    expect(acme.length).toBeGreaterThan(0)
    expect(globex.length).toBeGreaterThan(0)
    for (const [tenant, rows] of [
      ['acme', acme],
      ['globex', globex],
    ] as const) {
      const own = rows.map((row) => ('tenant_id' in row ? row.tenant_id : tenant))
      expect(new Set(own)).toEqual(new Set([tenant]))
    }
    const texts = (rows: Row[]) =>
      rows.map((row) =>
        JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
      )
    expect(texts(acme).filter((row) => texts(globex).includes(row))).toEqual([])
  })

  test('sees movements, holds and people by what they belong to', async () => {
    const subjects = async (tenant: string) =>
      (
        await asReader(
          'select d.subject from reservations r join delegations d on d.id = r.delegation_id',
          tenant,
        )
      ).map(({ subject }) => subject)
    expect(await subjects('acme')).toEqual(['orchestrator'])
    expect(await subjects('globex')).toEqual(['globex-agent'])
    const people = await read('users', 'globex')
    expect(people.map(({ email }) => email)).toEqual(['gina@globex.test'])
    const entries = await read('ledger_entries', 'globex')
    expect(JSON.stringify(entries.map(({ budget_ids }) => budget_ids))).not.toContain('acme')
  })

  test('sees clients without the hashes of their secrets', async () => {
    const [client = {}] = await read('tenant_clients', 'acme')
    expect(Object.keys(client).filter((name) => /secret|hash|token$/.test(name))).toEqual([])
    const names = (await read('tenant_clients', 'globex')).map(({ client_id }) => client_id)
    expect(names.toSorted()).toEqual(['globex-agent', 'globex-docs-server', 'globex-helper'])
  })

  test('writes nothing, whatever was granted', async () => {
    for (const table of ofOneTenant) {
      const [column] = await asOwner(`
        select column_name as name from information_schema.columns
        where table_name = '${table}' and is_generated = 'NEVER' order by ordinal_position limit 1`)
      const change = `update ${table} set ${column?.name} = ${column?.name} returning 1`
      expect([table, await asReader(change, 'acme')]).toEqual([table, []])
      expect([table, await asReader(`delete from ${table} returning 1`, 'acme')]).toEqual([
        table,
        [],
      ])
    }
    const refused = /row-level security|cannot update view|cannot delete from view/
    for (const text of [
      `insert into tenants (tenant_id, name) values ('acme2', 'Acme')`,
      `insert into token_lifetimes (seconds) values (1)`,
      `update tenant_clients set disabled = true`,
      `delete from tenant_clients`,
    ]) {
      const outcome = await asReader(text, 'acme').then(
        () => 'done',
        ({ cause }: Error) => String(cause),
      )
      expect([text, outcome]).toEqual([text, expect.stringMatching(refused)])
    }
  })
})

describe.runIf(inject('postgresUrl'))('a server', () => {
  test('does not start as a role that the tables do not belong to', async () => {
    const created = await createDatabase()
    const database = await openDatabase(created.url)
    const login = `server_${randomBytes(6).toString('hex')}`
    const run = (text: string) => database.drizzle.execute(sql.raw(text))
    const name = new URL(created.url).pathname.slice(1)
    try {
      await run(`create role ${login} login password 'of a test'`)
      await run(`grant create on database ${name} to ${login}`)
      await run(`grant all on schema public, drizzle to ${login}`)
      for (const schema of ['public', 'drizzle']) {
        await run(`grant all on all tables in schema ${schema} to ${login}`)
        await run(`grant all on all sequences in schema ${schema} to ${login}`)
      }
      const url = new URL(created.url)
      url.username = login
      url.password = 'of a test'
      await expect(openDatabase(url.href)).rejects.toThrow(
        `DATABASE_URL: the tables do not belong to the role "${login}"`,
      )
      await run(`drop owned by ${login}`)
      await run(`drop role ${login}`)
    } finally {
      await database.close()
      await created.drop()
    }
  })
})
