insert into "registry_version" ("version") values (0);
--> statement-breakpoint
-- Once in a transaction, whatever it changes. Another one that changes something waits here until this one is over.
create function registry_changed() returns trigger language plpgsql as $$
begin
  update registry_version set version = pg_current_xact_id()::text::bigint
  where version <> pg_current_xact_id()::text::bigint;
  return null;
end $$;
--> statement-breakpoint
-- Deferred: at the end of a transaction, which then waits for nothing else. So of two none waits for the other for ever.
create constraint trigger clients_changed after update on clients
  deferrable initially deferred for each row
  when (to_jsonb(old) - '{last_used_at,document_fetched_at,document_expires_at}'::text[]
    is distinct from to_jsonb(new) - '{last_used_at,document_fetched_at,document_expires_at}'::text[])
  execute function registry_changed();
--> statement-breakpoint
create constraint trigger clients_removed after delete on clients
  deferrable initially deferred for each row execute function registry_changed();
--> statement-breakpoint
create constraint trigger tenants_changed after update on tenants
  deferrable initially deferred for each row
  when (old is distinct from new) execute function registry_changed();
--> statement-breakpoint
create constraint trigger tenants_removed after delete on tenants
  deferrable initially deferred for each row execute function registry_changed();
--> statement-breakpoint
create constraint trigger resources_changed after update on resources
  deferrable initially deferred for each row
  when (old is distinct from new) execute function registry_changed();
--> statement-breakpoint
create constraint trigger resources_added after insert or delete on resources
  deferrable initially deferred for each row execute function registry_changed();
--> statement-breakpoint
create constraint trigger delegation_rules_changed after update on delegation_rules
  deferrable initially deferred for each row
  when (old is distinct from new) execute function registry_changed();
--> statement-breakpoint
create constraint trigger delegation_rules_added after insert or delete on delegation_rules
  deferrable initially deferred for each row execute function registry_changed();
--> statement-breakpoint
-- The root of an agent is found with its client. One without a root is not remembered, so a new one need not tell.
create constraint trigger roots_changed after update on delegations
  deferrable initially deferred for each row
  when (new.parent_id is null and new.subject = new.actor and old is distinct from new)
  execute function registry_changed();
