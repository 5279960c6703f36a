CREATE TABLE "accounts" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"provider_id" text NOT NULL,
	"account_id" text NOT NULL,
	"password_hash" text,
	"access_token" text,
	"refresh_token" text,
	"id_token" text,
	"access_token_expires_at" timestamp with time zone,
	"refresh_token_expires_at" timestamp with time zone,
	"scope" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "accounts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "attempts" (
	"key_hash" text PRIMARY KEY NOT NULL,
	"count" integer NOT NULL,
	"ends_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "attempts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "authorization_codes" (
	"code_hash" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"redirect_uri" text NOT NULL,
	"said_redirect_uri" boolean NOT NULL,
	"code_challenge" text NOT NULL,
	"consent_id" text NOT NULL,
	"lineage" text[] NOT NULL,
	"subject" text NOT NULL,
	"tenant_id" text,
	"scope" text[] NOT NULL,
	"resources" text[] NOT NULL,
	"nonce" text,
	"authenticated_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"consumed_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "authorization_codes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "authorization_requests" (
	"request_hash" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"client_id" text NOT NULL,
	"parameters" jsonb NOT NULL,
	"authenticate_after" timestamp with time zone,
	"session_id" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"consumed_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "authorization_requests" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "budgets" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
	"post_logout_redirect_uris" text[] DEFAULT '{}' NOT NULL,
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
ALTER TABLE "clients" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "consents" (
	"id" text PRIMARY KEY NOT NULL,
	"subject" text NOT NULL,
	"client_id" text NOT NULL,
	"tenant_id" text,
	"scope" text[] NOT NULL,
	"resources" text[] NOT NULL,
	"granted" jsonb NOT NULL,
	"limits" jsonb NOT NULL,
	"client_limits" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"delegation_id" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "consents" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "delegation_rules" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "delegations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "device_codes" (
	"device_code_hash" text PRIMARY KEY NOT NULL,
	"user_code_hash" text NOT NULL,
	"client_id" text NOT NULL,
	"scope" text[] NOT NULL,
	"resources" text[] NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"interval" integer NOT NULL,
	"polled_at" timestamp with time zone,
	"polled_too_soon" boolean DEFAULT false NOT NULL,
	"session_id" text,
	"subject" text,
	"decided_at" timestamp with time zone,
	"approved" boolean
);
--> statement-breakpoint
ALTER TABLE "device_codes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "idempotency_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "invitations" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"email" text NOT NULL,
	"role" text NOT NULL,
	"status" text NOT NULL,
	"token_hash" text,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"inviter_id" text NOT NULL,
	CONSTRAINT "invitations_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
ALTER TABLE "invitations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "issuances" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "leases" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "ledger_entries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "ledger_openings" (
	"budget_id" text PRIMARY KEY NOT NULL,
	"spent" bigint NOT NULL,
	"held" bigint NOT NULL,
	"entries" bigint NOT NULL,
	"last_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ledger_openings" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "members" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "members" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "passkeys" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"name" text,
	"public_key" text NOT NULL,
	"credential_id" text NOT NULL,
	"counter" integer NOT NULL,
	"device_type" text NOT NULL,
	"backed_up" boolean NOT NULL,
	"transports" text,
	"aaguid" text,
	"created_at" timestamp with time zone DEFAULT now(),
	CONSTRAINT "passkeys_credential_id_unique" UNIQUE("credential_id")
);
--> statement-breakpoint
ALTER TABLE "passkeys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"delegation_id" text NOT NULL,
	"client_id" text NOT NULL,
	"consent_id" text NOT NULL,
	"authenticated_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"family_expires_at" timestamp with time zone NOT NULL,
	"consumed_at" timestamp with time zone,
	"successor_hash" text,
	"successor_sealed" text
);
--> statement-breakpoint
ALTER TABLE "refresh_tokens" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "registry_version" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "registry_version_one_row" CHECK ("registry_version"."only")
);
--> statement-breakpoint
ALTER TABLE "registry_version" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "request_minutes" (
	"budget_id" text NOT NULL,
	"minute" integer NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "request_minutes_budget_id_minute_pk" PRIMARY KEY("budget_id","minute"),
	CONSTRAINT "request_minutes_not_negative" CHECK ("request_minutes"."count" >= 0)
);
--> statement-breakpoint
ALTER TABLE "request_minutes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
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
ALTER TABLE "reservations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "resources" (
	"resource" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"scopes_supported" text[] NOT NULL,
	"client_id" text,
	"scope_descriptions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"registered_by" text DEFAULT 'config' NOT NULL
);
--> statement-breakpoint
ALTER TABLE "resources" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "retired_resources" (
	"resource" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"retired_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "retired_resources" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "revocations" (
	"cursor" bigserial PRIMARY KEY NOT NULL,
	"delegation_id" text NOT NULL,
	"cause" text NOT NULL,
	"revoked_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "revocations_delegation_id_unique" UNIQUE("delegation_id")
);
--> statement-breakpoint
ALTER TABLE "revocations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"token" text NOT NULL,
	"user_id" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	"ip_address" text,
	"user_agent" text,
	"active_tenant_id" text,
	CONSTRAINT "sessions_token_unique" UNIQUE("token")
);
--> statement-breakpoint
ALTER TABLE "sessions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"alg" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"private_key_sealed" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"active_from" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "signing_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "sso_providers" (
	"id" text PRIMARY KEY NOT NULL,
	"issuer" text NOT NULL,
	"oidc_config" text,
	"saml_config" text,
	"user_id" text NOT NULL,
	"provider_id" text NOT NULL,
	"tenant_id" text,
	"domain" text NOT NULL,
	"domain_verified" boolean,
	CONSTRAINT "sso_providers_provider_id_unique" UNIQUE("provider_id")
);
--> statement-breakpoint
ALTER TABLE "sso_providers" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "tenants" (
	"tenant_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"claims" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"slug" text GENERATED ALWAYS AS (tenant_id) STORED,
	"logo" text,
	"metadata" text
);
--> statement-breakpoint
ALTER TABLE "tenants" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "token_lifetimes" (
	"seconds" integer PRIMARY KEY NOT NULL
);
--> statement-breakpoint
ALTER TABLE "token_lifetimes" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "two_factors" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"secret_sealed" text NOT NULL,
	"backup_codes_sealed" text NOT NULL,
	"verified" boolean DEFAULT true NOT NULL,
	"failed_verification_count" integer DEFAULT 0 NOT NULL,
	"locked_until" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "two_factors" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"email_verified" boolean DEFAULT false NOT NULL,
	"name" text NOT NULL,
	"image" text,
	"role" text DEFAULT 'user' NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"claims" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"two_factor_enabled" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email")
);
--> statement-breakpoint
ALTER TABLE "users" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "verifications" (
	"id" text PRIMARY KEY NOT NULL,
	"identifier_hash" text NOT NULL,
	"value" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "verifications" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "clients" ADD CONSTRAINT "clients_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "consents" ADD CONSTRAINT "consents_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegation_rules" ADD CONSTRAINT "delegation_rules_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegations" ADD CONSTRAINT "delegations_parent_id_delegations_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."delegations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delegations" ADD CONSTRAINT "delegations_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_inviter_id_users_id_fk" FOREIGN KEY ("inviter_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "passkeys" ADD CONSTRAINT "passkeys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "resources" ADD CONSTRAINT "resources_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "retired_resources" ADD CONSTRAINT "retired_resources_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_active_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("active_tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sso_providers" ADD CONSTRAINT "sso_providers_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sso_providers" ADD CONSTRAINT "sso_providers_tenant_id_tenants_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("tenant_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "two_factors" ADD CONSTRAINT "two_factors_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "accounts_provider" ON "accounts" USING btree ("provider_id","account_id");--> statement-breakpoint
CREATE INDEX "accounts_user_id" ON "accounts" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "attempts_ends_at" ON "attempts" USING btree ("ends_at");--> statement-breakpoint
CREATE INDEX "authorization_codes_expires_at" ON "authorization_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "authorization_requests_expires_at" ON "authorization_requests" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "budgets_escrow" ON "budgets" USING btree ("id") WHERE carved is not null;--> statement-breakpoint
CREATE INDEX "budgets_drawn_from" ON "budgets" USING gin ("drawn_from") WHERE drawn_from is not null;--> statement-breakpoint
CREATE INDEX "budgets_period" ON "budgets" USING btree (substring(id from '^(?:day|week|month):(\d{4}-\d{2}-\d{2}):'),"id") WHERE id ~ '^(day|week|month):';--> statement-breakpoint
CREATE INDEX "clients_tenant_id" ON "clients" USING btree ("tenant_id","client_id");--> statement-breakpoint
CREATE INDEX "clients_self_registered" ON "clients" USING btree ("registered_by","last_used_at","created_at") WHERE registered_by in ('dynamic', 'metadata_document');--> statement-breakpoint
CREATE UNIQUE INDEX "consents_live" ON "consents" USING btree ("subject","client_id",coalesce(tenant_id, '')) WHERE revoked_at is null;--> statement-breakpoint
CREATE INDEX "consents_client_id" ON "consents" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "consents_delegation_id" ON "consents" USING btree ("delegation_id");--> statement-breakpoint
CREATE INDEX "delegation_rules_from" ON "delegation_rules" USING btree ("from_selector");--> statement-breakpoint
CREATE UNIQUE INDEX "delegations_live_root" ON "delegations" USING btree ("actor") WHERE parent_id is null and subject = actor and revoked_at is null;--> statement-breakpoint
CREATE INDEX "delegations_parent_id" ON "delegations" USING btree ("parent_id","expires_at");--> statement-breakpoint
CREATE INDEX "delegations_subject" ON "delegations" USING btree ("subject","expires_at");--> statement-breakpoint
CREATE INDEX "delegations_actor" ON "delegations" USING btree ("actor","expires_at");--> statement-breakpoint
CREATE INDEX "delegations_tenant_id" ON "delegations" USING btree ("tenant_id","expires_at");--> statement-breakpoint
CREATE INDEX "delegations_endless_of_tenant" ON "delegations" USING btree ("tenant_id","created_at","id") WHERE expires_at is null and revoked_at is null;--> statement-breakpoint
CREATE INDEX "delegations_endless_of_actor" ON "delegations" USING btree ("actor","created_at","id") WHERE expires_at is null and revoked_at is null;--> statement-breakpoint
CREATE INDEX "delegations_ended" ON "delegations" USING btree (least(revoked_at, expires_at),"id") WHERE least(revoked_at, expires_at) is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "device_codes_user_code_hash" ON "device_codes" USING btree ("user_code_hash");--> statement-breakpoint
CREATE INDEX "device_codes_expires_at" ON "device_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "device_codes_client_id" ON "device_codes" USING btree ("client_id","expires_at");--> statement-breakpoint
CREATE INDEX "idempotency_keys_expires_at" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_pending" ON "invitations" USING btree ("tenant_id","email") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "invitations_inviter_id" ON "invitations" USING btree ("inviter_id");--> statement-breakpoint
CREATE INDEX "invitations_expires_at" ON "invitations" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "issuances_delegation_id" ON "issuances" USING btree ("delegation_id","issued_at");--> statement-breakpoint
CREATE INDEX "issuances_issued_at" ON "issuances" USING btree ("issued_at");--> statement-breakpoint
CREATE INDEX "leases_open" ON "leases" USING btree ("expires_at") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "leases_open_of" ON "leases" USING btree ("delegation_id","client_id") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "leases_ended" ON "leases" USING btree ("ended_at") WHERE state <> 'open';--> statement-breakpoint
CREATE UNIQUE INDEX "members_once" ON "members" USING btree ("user_id","tenant_id");--> statement-breakpoint
CREATE INDEX "members_tenant_id" ON "members" USING btree ("tenant_id");--> statement-breakpoint
CREATE INDEX "passkeys_user_id" ON "passkeys" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "refresh_tokens_delegation_id" ON "refresh_tokens" USING btree ("delegation_id");--> statement-breakpoint
CREATE INDEX "refresh_tokens_expires_at" ON "refresh_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "request_minutes_minute" ON "request_minutes" USING btree ("minute");--> statement-breakpoint
CREATE INDEX "reservations_delegation_id" ON "reservations" USING btree ("delegation_id","created_at");--> statement-breakpoint
CREATE INDEX "reservations_open" ON "reservations" USING btree ("expires_at") WHERE state = 'reserved';--> statement-breakpoint
CREATE INDEX "reservations_open_of" ON "reservations" USING btree ("client_id") WHERE state = 'reserved';--> statement-breakpoint
CREATE INDEX "reservations_ended" ON "reservations" USING btree ("ended_at") WHERE state <> 'reserved';--> statement-breakpoint
CREATE INDEX "resources_client_id" ON "resources" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "resources_tenant_id" ON "resources" USING btree ("tenant_id","resource");--> statement-breakpoint
CREATE INDEX "sessions_user_id" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_expires_at" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "two_factors_user_id" ON "two_factors" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "verifications_identifier" ON "verifications" USING btree ("identifier_hash");--> statement-breakpoint
CREATE INDEX "verifications_expires_at" ON "verifications" USING btree ("expires_at");--> statement-breakpoint
CREATE VIEW "public"."tenant_clients" WITH (security_barrier = true) AS (
    select c.client_id, c.kind, c.registered_by, c.agent_type, c.tenant_id, c.client_name,
      c.token_endpoint_auth_method, c.grant_types, c.redirect_uris, c.scope, c.resources, c.agent_limits,
      c.disabled, c.client_uri, c.logo_uri, c.policy_uri, c.tos_uri, c.contacts, c.created_at,
      c.last_used_at, c.deleted_at
    from clients c, (select current_setting('behalf.tenant_id', true) as tenant_id) as mine
    where c.tenant_id = mine.tenant_id);--> statement-breakpoint
CREATE POLICY "one_tenant" ON "budgets" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "consents" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "delegation_rules" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "delegations" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "issuances" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "leases" AS PERMISSIVE FOR SELECT TO public USING (exists (select from delegations d where d.id = leases.delegation_id));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "ledger_entries" AS PERMISSIVE FOR SELECT TO public USING (exists (select from budgets b where b.id = any(ledger_entries.budget_ids)));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "ledger_openings" AS PERMISSIVE FOR SELECT TO public USING (exists (select from budgets b where b.id = ledger_openings.budget_id));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "members" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "request_minutes" AS PERMISSIVE FOR SELECT TO public USING (exists (select from budgets b where b.id = request_minutes.budget_id));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "reservations" AS PERMISSIVE FOR SELECT TO public USING (exists (select from delegations d where d.id = reservations.delegation_id));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "resources" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "revocations" AS PERMISSIVE FOR SELECT TO public USING (exists (select from delegations d where d.id = revocations.delegation_id));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "tenants" AS PERMISSIVE FOR SELECT TO public USING (tenant_id = current_setting('behalf.tenant_id', true));--> statement-breakpoint
CREATE POLICY "one_tenant" ON "users" AS PERMISSIVE FOR SELECT TO public USING (exists (select from members m where m.user_id = users.id));