/** Fills a database as two years of use would have left it: for each agent ten rows of history. */

/** Live delegations to be revoked while it is measured, whatever the size. */
export const victims = 2400
export const victimClients = 1200

const years = 2
const spread = `(random() * interval '${years * 365} days')`

/** Rows like the one of the template, each with an id of its own. */
const agents = (count, name) => `
  insert into clients select made.* from clients t, generate_series(1, ${count}) g,
    lateral jsonb_populate_record(t, jsonb_build_object('client_id', '${name}' || g)) as made
  where t.client_id = 'template'`

const budgets = (count, name) => `
  insert into budgets (id, tenant_id, cap, wanted_cap, file_cap)
  select 'agent:${name}' || g, 'bench', 1000000000000, 1000000000000, 1000000000000
  from generate_series(1, ${count}) g`

const roots = (count, name) => `
  insert into delegations (id, lineage, tenant_id, subject, actor, scope, resources, limits,
    budget_ids, created_at)
  select 'dlg_r_${name}' || g, array['dlg_r_${name}' || g], 'bench', '${name}' || g, '${name}' || g,
    t.scope, t.resources, t.agent_limits, array['tenant:bench', 'agent:${name}' || g], now() - ${spread}
  from clients t, generate_series(1, ${count}) g where t.client_id = 'template'`

const children = (count, name, { id, expires, created }) => `
  insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, act, scope, resources,
    limits, budget_ids, created_at, expires_at)
  select '${id}' || g, 'dlg_r_${name}' || g, array['dlg_r_${name}' || g, '${id}' || g], 'bench',
    '${name}' || g, 'template', '{"sub":"template"}', t.scope, t.resources, t.agent_limits,
    array['tenant:bench', 'agent:${name}' || g, '${id}' || g], made.at, ${expires}
  from clients t, generate_series(1, ${count}) g, lateral (select ${created} as at, g as of_row) made
  where t.client_id = 'template'`

const ownBudgets = (id) => `
  insert into budgets (id, tenant_id) select id, 'bench' from delegations
  where starts_with(id, '${id}')`

const issuances = `
  insert into issuances (jti, delegation_id, tenant_id, client_id, subject, actor, scope, aud,
    issued_at, expires_at)
  select 'at_' || md5(d.id || n), d.id, 'bench', d.actor, d.subject, d.actor, 'docs:read', d.resources,
    made.at, made.at + interval '15 minutes'
  from delegations d, generate_series(1, 2) n, lateral (select now() - ${spread} as at, d.id as of_row, n as nth) made
  where starts_with(d.id, 'dlg_r_a') or n = 1`

const reservations = `
  insert into reservations (id, delegation_id, budget_ids, client_id, action, amount, charged, state,
    on_expiry, created_at, expires_at, ended_at)
  select 'rsv_' || md5(d.id), d.id, d.budget_ids, 'docs-server-0', 'docs.read', 10000, 10000,
    'settled', 'charge', made.at, made.at + interval '1 minute', made.at
  from delegations d, lateral (select now() - ${spread} as at, d.id as of_row) made
  where starts_with(d.id, 'dlg_r_a')`

const entries = `
  insert into ledger_entries (budget_ids, ref, kind, spent, held, at)
  select r.budget_ids, r.id, k.kind, k.spent, k.held, r.created_at
  from reservations r, (values ('reserve', 0, 10000), ('settle', 10000, -10000)) k(kind, spent, held)`

/** One in a hundred, over the two years: nearly all of them have left the feed. */
const revocations = (count) => `
  insert into revocations (delegation_id, cause, revoked_at, expires_at)
  select 'dlg_old' || g, 'revoked_by_admin', made.at, made.at + interval '15 minutes'
  from generate_series(1, ${Math.ceil(count / 100)}) g,
    lateral (select now() - interval '1 hour' - ${spread} as at, g as of_row) made order by made.at`

const balances = `
  update budgets b set spent = 10000 where starts_with(b.id, 'agent:a')`

const tables = ['clients', 'delegations', 'issuances', 'budgets', 'reservations', 'ledger_entries']

/** Without the indexes that keep no promise: made at once afterwards, they take a third of the time. */
const withoutIndexes = async (sql, work) => {
  const indexes = await sql`
    select indexname as name, indexdef as definition from pg_indexes
    where tablename = any(${tables}) and indexdef not like 'CREATE UNIQUE%'`
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  await work()
  await sql.unsafe(`set maintenance_work_mem = '256MB'`)
  for (const { definition } of indexes) await sql.unsafe(definition)
}

export const fill = async (sql, count) => {
  const statements = [
    agents(count, 'a'),
    agents(victimClients, 'v'),
    budgets(count, 'a'),
    budgets(victimClients, 'v'),
    roots(count, 'a'),
    roots(victimClients, 'v'),
    children(count, 'a', {
      id: 'dlg_c_a',
      created: `now() - interval '10 minutes' - ${spread}`,
      expires: `made.at + interval '5 minutes'`,
    }),
    `insert into delegations (id, parent_id, lineage, tenant_id, subject, actor, scope, resources, limits,
        budget_ids, created_at, expires_at)
      select 'dlg_l' || g, r.id, array[r.id, 'dlg_l' || g], 'bench', r.subject, 'template', r.scope,
        r.resources, r.limits, r.budget_ids, now(), now() + interval '1 day'
      from generate_series(1, ${victims}) g
        join delegations r on r.id = 'dlg_r_a' || (1 + g % ${count})`,
    ownBudgets('dlg_c_a'),
    issuances,
    reservations,
    entries,
    revocations(count),
    balances,
    `update budgets set spent = 10000::bigint * ${count} where id = 'tenant:bench'`,
  ]
  await withoutIndexes(sql, async () => {
    for (const statement of statements) await sql.unsafe(statement)
  })
  await sql.unsafe('vacuum analyze')
  await sql.unsafe('checkpoint')
}

/** Bytes of a table, and of all of its indexes. */
export const sizes = (sql) => sql`
  select relname as name, pg_relation_size(oid)::bigint as rows, pg_indexes_size(oid)::bigint as indexes
  from pg_class where relkind = 'r' and relname = any(${[...tables, 'revocations']})
  order by relname`
