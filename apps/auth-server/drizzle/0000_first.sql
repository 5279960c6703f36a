CREATE TABLE "budgets" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"cap" bigint,
	"wanted_cap" bigint,
	"file_cap" bigint,
	"spent" bigint DEFAULT 0 NOT NULL,
	"held" bigint DEFAULT 0 NOT NULL,
	"leases" integer DEFAULT 0 NOT NULL,
	"requests_per_hour" integer,
	"requests_held" bigint DEFAULT 0 NOT NULL,
	"periods" jsonb,
	"drawn_from" text[],
	"carved" bigint,
	CONSTRAINT "budgets_not_negative" CHECK ("budgets"."spent" >= 0 and "budgets"."held" >= 0),
	CONSTRAINT "budgets_never_over_cap" CHECK ("budgets"."cap" is null or "budgets"."spent" + "budgets"."held" <= "budgets"."cap"),
	CONSTRAINT "budgets_counts" CHECK ("budgets"."leases" >= 0 and "budgets"."requests_held" >= 0)
);
--> statement-breakpoint
CREATE TABLE "clients" (
	"client_id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"registered_by" text DEFAULT 'config' NOT NULL,
	"agent_type" text,
	"tenant_id" text,
	"client_name" text,
	"client_secret_hash" text,
	"token_endpoint_auth_method" text NOT NULL,
	"grant_types" text[] NOT NULL,
	"redirect_uris" text[] NOT NULL,
	"scope" text[] NOT NULL,
	"resources" text[] NOT NULL,
	"agent_limits" jsonb NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"application_type" text,
	"client_uri" text,
	"logo_uri" text,
	"policy_uri" text,
	"tos_uri" text,
	"contacts" text[],
	"requested_scope" text[],
	"registration_token_hash" text,
	"previous_secret_hash" text,
	"previous_secret_expires_at" timestamp with time zone,
	"created_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"document_fetched_at" timestamp with time zone,
	"document_expires_at" timestamp with time zone,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "delegation_rules" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"from_selector" text NOT NULL,
	"to_selector" text NOT NULL,
	"mode" text NOT NULL,
	"scope" text[],
	"resources" text[],
	"limits" jsonb NOT NULL,
	"expires_in_seconds" integer,
	"enabled" boolean DEFAULT true NOT NULL
);
--> statement-breakpoint
CREATE TABLE "delegations" (
	"id" text PRIMARY KEY NOT NULL,
	"parent_id" text,
	"lineage" text[] NOT NULL,
	"tenant_id" text,
	"subject" text NOT NULL,
	"actor" text NOT NULL,
	"act" jsonb,
	"scope" text[] NOT NULL,
	"resources" text[] NOT NULL,
	"limits" jsonb NOT NULL,
	"budget_ids" text[] NOT NULL,
	"rule_ids" text[],
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"cause" text
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"client_id" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" integer,
	"body" jsonb,
	"headers" jsonb,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_client_id_key_pk" PRIMARY KEY("client_id","key")
);
--> statement-breakpoint
CREATE TABLE "issuances" (
	"jti" text PRIMARY KEY NOT NULL,
	"parent_jti" text,
	"delegation_id" text NOT NULL,
	"tenant_id" text,
	"client_id" text NOT NULL,
	"subject" text NOT NULL,
	"actor" text NOT NULL,
	"scope" text NOT NULL,
	"aud" text[] NOT NULL,
	"issued_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"id" text PRIMARY KEY NOT NULL,
	"delegation_id" text NOT NULL,
	"budget_ids" text[] NOT NULL,
	"client_id" text NOT NULL,
	"holder" text NOT NULL,
	"epoch" integer NOT NULL,
	"seq" integer NOT NULL,
	"state" text NOT NULL,
	"held" bigint NOT NULL,
	"spent" bigint NOT NULL,
	"overrun" bigint NOT NULL,
	"expired" bigint NOT NULL,
	"requests_held" integer NOT NULL,
	"requests_used" integer NOT NULL,
	"requests_expired" integer NOT NULL,
	"recalled" boolean NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "leases_not_negative" CHECK ("leases"."held" >= 0 and "leases"."requests_held" >= 0)
);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"budget_ids" text[] NOT NULL,
	"ref" text NOT NULL,
	"kind" text NOT NULL,
	"spent" bigint NOT NULL,
	"held" bigint NOT NULL,
	"cap" bigint,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "request_minutes" (
	"budget_id" text NOT NULL,
	"minute" integer NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "request_minutes_budget_id_minute_pk" PRIMARY KEY("budget_id","minute"),
	CONSTRAINT "request_minutes_not_negative" CHECK ("request_minutes"."count" >= 0)
);
--> statement-breakpoint
CREATE TABLE "reservations" (
	"id" text PRIMARY KEY NOT NULL,
	"delegation_id" text NOT NULL,
	"budget_ids" text[] NOT NULL,
	"client_id" text NOT NULL,
	"action" text NOT NULL,
	"amount" bigint NOT NULL,
	"charged" bigint,
	"overrun" bigint,
	"state" text NOT NULL,
	"on_expiry" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "reservations_amount" CHECK ("reservations"."amount" > 0),
	CONSTRAINT "reservations_charged" CHECK ("reservations"."charged" between 0 and "reservations"."amount")
);
--> statement-breakpoint
CREATE TABLE "resources" (
	"resource" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"scopes_supported" text[] NOT NULL,
	"client_id" text
);
--> statement-breakpoint
CREATE TABLE "revocations" (
	"cursor" bigserial PRIMARY KEY NOT NULL,
	"delegation_id" text NOT NULL,
	"cause" text NOT NULL,
	"revoked_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "revocations_delegation_id_unique" UNIQUE("delegation_id")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"alg" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"private_key_sealed" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"active_from" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"tenant_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
ALTER TABLE "clients" ADD CONSTRAINT "clients_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegation_rules" ADD CONSTRAINT "delegation_rules_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegations" ADD CONSTRAINT "delegations_parent_id_delegations_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."delegations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegations" ADD CONSTRAINT "delegations_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "resources" ADD CONSTRAINT "resources_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "budgets_escrow" ON "budgets" USING btree ("id") WHERE carved is not null;--> statement-breakpoint
CREATE INDEX "clients_tenant_id" ON "clients" USING btree ("tenant_id","client_id");--> statement-breakpoint
CREATE INDEX "clients_self_registered" ON "clients" USING btree ("registered_by","last_used_at","created_at") WHERE registered_by in ('dynamic', 'metadata_document');--> statement-breakpoint
CREATE INDEX "delegation_rules_from" ON "delegation_rules" USING btree ("from_selector");--> statement-breakpoint
CREATE UNIQUE INDEX "delegations_live_root" ON "delegations" USING btree ("actor") WHERE parent_id is null and subject = actor and revoked_at is null;--> statement-breakpoint
CREATE INDEX "delegations_parent_id" ON "delegations" USING btree ("parent_id","created_at");--> statement-breakpoint
CREATE INDEX "delegations_tenant_id" ON "delegations" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "delegations_subject" ON "delegations" USING btree ("subject");--> statement-breakpoint
CREATE INDEX "delegations_actor" ON "delegations" USING btree ("actor");--> statement-breakpoint
CREATE INDEX "idempotency_keys_expires_at" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "issuances_delegation_id" ON "issuances" USING btree ("delegation_id","issued_at");--> statement-breakpoint
CREATE INDEX "leases_open" ON "leases" USING btree ("expires_at") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "leases_open_of" ON "leases" USING btree ("delegation_id","client_id") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "leases_ended" ON "leases" USING btree ("ended_at") WHERE state <> 'open';--> statement-breakpoint
CREATE INDEX "request_minutes_minute" ON "request_minutes" USING btree ("minute");--> statement-breakpoint
CREATE INDEX "reservations_delegation_id" ON "reservations" USING btree ("delegation_id","created_at");--> statement-breakpoint
CREATE INDEX "reservations_open" ON "reservations" USING btree ("expires_at") WHERE state = 'reserved';--> statement-breakpoint
CREATE INDEX "reservations_open_of" ON "reservations" USING btree ("client_id") WHERE state = 'reserved';--> statement-breakpoint
CREATE INDEX "resources_client_id" ON "resources" USING btree ("client_id");