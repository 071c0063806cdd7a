-- A database in which somebody began to adopt it by hand, and stopped.
-- Integer keys. The mirrors are there as plain columns: filled once, by an UPDATE over what there was, and never again.
SET LOCAL timezone = 'UTC';

CREATE TABLE public.resource_usage (
    id serial PRIMARY KEY,
    entity_type text,
    entity_id text,
    resource_type text NOT NULL,
    amount numeric,
    cost numeric(14, 6),
    model text,
    artifact_type text,
    artifact_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    amount_used numeric,
    "timestamp" timestamptz
);
-- What the contract asks for, under the name of whoever made it.
CREATE INDEX idx_usage_entity_time ON public.resource_usage (entity_type, entity_id, created_at);

CREATE TABLE public.allocation_proposals (
    id serial PRIMARY KEY,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    requested_tokens bigint NOT NULL DEFAULT 0,
    proposer_id varchar(80),
    proposer_agent varchar(80),
    justification text DEFAULT '',
    evidence jsonb DEFAULT '[]',
    status varchar(20) NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now(),
    proposer text,
    requested_amount bigint,
    votes jsonb
);

CREATE TABLE public.token_accounts (
    id serial PRIMARY KEY,
    owner_type text NOT NULL,
    owner_id text NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    CONSTRAINT wallet_of_one_owner UNIQUE (owner_id, owner_type)  -- serves as ours, the other way round
);

-- Their ledger has another name; ours is not to be taken for it.
CREATE TABLE public.wallet_transactions (
    id serial PRIMARY KEY,
    wallet_id integer NOT NULL REFERENCES public.token_accounts,
    delta bigint NOT NULL,
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.quest_budget_allocations (
    id serial PRIMARY KEY,
    quest_id text NOT NULL,
    tokens bigint NOT NULL,
    share numeric NOT NULL,
    day date NOT NULL,
    CONSTRAINT one_share_a_day UNIQUE (quest_id, day)
);

INSERT INTO public.resource_usage
       (entity_type, entity_id, resource_type, amount, cost, model, artifact_type, artifact_id, created_at)
SELECT 'knowledge_gap', 'gap-' || n % 12,
       kind,
       CASE WHEN kind = 'llm_tokens' THEN 200 + n * 53 % 3000 ELSE 0.5 * (n % 60) END,
       CASE WHEN n % 4 = 0 THEN NULL ELSE round(0.001 * (n % 50), 6) END,
       CASE WHEN kind = 'llm_tokens' THEN 'gpt-4o-mini' END,
       NULL, NULL,
       timestamptz '2026-02-10 00:00+00' + n * interval '41 minutes'
  FROM (SELECT n, (ARRAY['llm_tokens', 'cpu_seconds'])[1 + n % 2] AS kind FROM generate_series(1, 300) AS n) AS uses
 ORDER BY n;
-- Filled when there were 200 rows; whoever wrote the rest knew nothing of it.
UPDATE public.resource_usage SET amount_used = amount, "timestamp" = created_at WHERE id <= 200;
-- Row 77 was corrected later, in one of the two places only; row 78's time was written in another zone.
UPDATE public.resource_usage SET amount_used = amount + 1 WHERE id = 77;
UPDATE public.resource_usage SET "timestamp" = created_at - interval '1 hour' WHERE id = 78;

INSERT INTO public.allocation_proposals
       (entity_type, entity_id, requested_tokens, proposer_id, proposer_agent, justification, status, created_at, votes)
SELECT 'knowledge_gap', 'gap-' || n % 12, 5000 * (1 + n % 9), CASE WHEN n % 2 = 0 THEN 'reviewer-' || n % 3 END,
       'scout-' || n % 4, 'It is nearly closed.', (ARRAY['pending', 'approved', 'rejected'])[1 + n % 3],
       timestamptz '2026-02-12 12:00+00' + n * interval '7 hours',
       CASE WHEN n % 3 = 0 THEN '[]' WHEN n % 3 = 1 THEN '[{"by": "reviewer-1", "vote": "yes"}]' END::jsonb
  FROM generate_series(1, 30) AS n ORDER BY n;
UPDATE public.allocation_proposals
   SET proposer = coalesce(proposer_id, proposer_agent), requested_amount = requested_tokens WHERE id <= 20;
UPDATE public.allocation_proposals SET proposer = proposer_agent WHERE id = 4;  -- the other one of the two

INSERT INTO public.token_accounts (owner_type, owner_id, balance)
SELECT (ARRAY['quest', 'agent'])[1 + n % 2], 'owner-' || n, 300 * n FROM generate_series(1, 8) AS n ORDER BY n;
INSERT INTO public.wallet_transactions (wallet_id, delta, reason, at)
SELECT n, 300 * n, 'opening', timestamptz '2026-02-10 00:00+00' FROM generate_series(1, 8) AS n ORDER BY n;
INSERT INTO public.quest_budget_allocations (quest_id, tokens, share, day)
SELECT 'owner-' || q, 100 * q, round(q / 20.0, 4), date '2026-02-15' + d
  FROM generate_series(0, 4) AS d, unnest(ARRAY[2, 4, 6, 8]) AS q ORDER BY d, q;

-- An index of ours that is of no use: its CREATE INDEX CONCURRENTLY was interrupted. A session cannot be interrupted
-- from a file, so the mark that it leaves is set by hand. pg_dump does not show such an index.
CREATE INDEX economy_usage_by_agent ON public.resource_usage (model);
UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'public.economy_usage_by_agent'::regclass;
