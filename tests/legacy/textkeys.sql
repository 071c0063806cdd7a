-- A service whose keys were made by programs: text for usage, uuid for all else. Nothing else in it is odd.
SET LOCAL timezone = 'UTC';

CREATE TABLE public.resource_usage (
    id text PRIMARY KEY DEFAULT 'use-' || gen_random_uuid(),
    entity_type text,
    entity_id text,
    resource_type text,
    amount numeric,
    cost numeric,
    model text,
    artifact_type text,
    artifact_id text,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE public.allocation_proposals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text,
    entity_id text,
    requested_tokens bigint,
    proposer_id text,
    proposer_agent text,
    justification text,
    evidence jsonb,
    status text DEFAULT 'pending',
    created_at timestamptz DEFAULT now()
);
CREATE TABLE public.token_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_type text,
    owner_id text,
    balance bigint
);
CREATE TABLE public.token_ledger (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid REFERENCES public.token_accounts,
    delta bigint,
    reason text
);
CREATE TABLE public.quest_budget_allocations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    quest_id text,
    tokens bigint,
    share numeric,
    day date
);

-- Keys in no order of time, one of them looking like a number, one with a quote in it.
INSERT INTO public.resource_usage
       (id, entity_type, entity_id, resource_type, amount, cost, model, created_at)
SELECT CASE n WHEN 7 THEN '7' WHEN 8 THEN 'it''s eight' ELSE 'use-' || md5('use ' || n) END,
       'entity', 'e-' || n % 9, 'llm_tokens', 100 + n, CASE WHEN n % 2 = 0 THEN 0.001 * n END, 'gpt-4o',
       timestamptz '2026-02-18 00:00+00' + n * interval '73 minutes'
  FROM generate_series(1, 120) AS n ORDER BY n;
INSERT INTO public.allocation_proposals (id, entity_type, entity_id, requested_tokens, proposer_id, status, created_at)
SELECT md5('proposal ' || n)::uuid, 'entity', 'e-' || n % 9, 1000 * n, 'reviewer-1', 'pending',
       timestamptz '2026-02-19 00:00+00' + n * interval '1 day'
  FROM generate_series(1, 6) AS n ORDER BY n;
INSERT INTO public.token_accounts (id, owner_type, owner_id, balance)
SELECT md5('account ' || n)::uuid, (ARRAY['agent', 'quest'])[1 + n % 2], 'owner-' || n, 250 * n
  FROM generate_series(1, 6) AS n ORDER BY n;
INSERT INTO public.token_ledger (id, account_id, delta, reason)
SELECT md5('entry ' || n)::uuid, md5('account ' || n)::uuid, 250 * n, 'opening'
  FROM generate_series(1, 6) AS n ORDER BY n;
INSERT INTO public.quest_budget_allocations (id, quest_id, tokens, share, day)
SELECT md5('share ' || n)::uuid, 'owner-' || n, 100, 0.333333, date '2026-02-20'
  FROM unnest(ARRAY[1, 3, 5]) AS n ORDER BY n;
