-- A service as its first author left it: five tables, bigint keys, nothing that is not understood.
-- All rows are lawful, and the same at every build: what is random or now would make checksums useless.
SET LOCAL timezone = 'UTC';

CREATE TABLE public.resource_usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    id bigserial PRIMARY KEY,
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
    id bigserial PRIMARY KEY,
    owner_type text,
    owner_id text,
    balance bigint
);

-- One leg a row, where ours has a debit and a credit: it can be read beside our ledger, not as it.
CREATE TABLE public.token_ledger (
    id bigserial PRIMARY KEY,
    account_id bigint REFERENCES public.token_accounts,
    delta bigint,
    reason text
);

CREATE TABLE public.quest_budget_allocations (
    id bigserial PRIMARY KEY,
    quest_id text,
    tokens bigint,
    share numeric,
    day date
);

-- 400 uses by 25 hypotheses and 5 analyses. A third of the LLM calls was never priced; only they name a model.
INSERT INTO public.resource_usage
       (entity_type, entity_id, resource_type, amount, cost, model, artifact_type, artifact_id, created_at)
SELECT CASE WHEN n % 6 = 0 THEN 'analysis' ELSE 'hypothesis' END,
       CASE WHEN n % 6 = 0 THEN 'a-' || n % 5 ELSE 'h-' || lpad((n % 25)::text, 3, '0') END,
       kind,
       CASE kind WHEN 'llm_tokens' THEN 1000 + n * 37 % 5000 WHEN 'api_calls' THEN 1 + n % 7
                 ELSE round(0.25 * (1 + n % 40) + 0.001 * n, 3) END,
       CASE WHEN kind <> 'llm_tokens' THEN 0 WHEN n % 3 = 0 THEN NULL ELSE round(0.000002 * (1000 + n * 37 % 5000), 6) END,
       CASE WHEN kind = 'llm_tokens' THEN (ARRAY['gpt-4o', 'gpt-4o-mini', 'house-model'])[1 + n % 3] END,
       CASE WHEN n % 4 = 0 THEN 'notebook' END,
       CASE WHEN n % 4 = 0 THEN 'nb-' || n END,
       timestamptz '2026-02-01 00:00+00' + n * interval '97 minutes'
  FROM (SELECT n, (ARRAY['llm_tokens', 'llm_tokens', 'cpu_seconds', 'storage_gb_hours', 'api_calls'])[1 + n % 5] AS kind
          FROM generate_series(1, 400) AS n) AS uses
 ORDER BY n;

INSERT INTO public.allocation_proposals
       (entity_type, entity_id, requested_tokens, proposer_id, proposer_agent, justification, evidence, status, created_at)
SELECT 'hypothesis', 'h-' || lpad((n % 25)::text, 3, '0'), 10000 * n,
       CASE WHEN n % 3 <> 0 THEN 'reviewer-' || n % 4 END,
       CASE WHEN n % 3 = 0 THEN 'agent-' || lpad((1 + n % 8)::text, 2, '0') END,
       'More depth for the ' || n || 'th line of inquiry.',
       CASE WHEN n % 2 = 0 THEN jsonb_build_array(jsonb_build_object('kind', 'new_pmids', 'count', n)) ELSE '[]' END,
       (ARRAY['pending', 'approved', 'rejected'])[1 + n % 3],
       timestamptz '2026-02-03 09:00+00' + n * interval '11 hours'
  FROM generate_series(1, 40) AS n ORDER BY n;

INSERT INTO public.token_accounts (owner_type, owner_id, balance)
SELECT CASE WHEN n <= 6 THEN 'quest' ELSE 'agent' END,
       CASE WHEN n <= 6 THEN 'quest-' || lpad(n::text, 2, '0') ELSE 'agent-' || lpad((n - 6)::text, 2, '0') END, 0
  FROM generate_series(1, 14) AS n ORDER BY n;

-- Every wallet was opened once and spent some of it; the last one never had a token.
INSERT INTO public.token_ledger (account_id, delta, reason)
SELECT 1 + n % 13, CASE WHEN n < 13 THEN 5000 + 100 * n ELSE -(n % 90) END,
       CASE WHEN n < 13 THEN 'opening' ELSE 'charge' END
  FROM generate_series(0, 259) AS n ORDER BY n;
UPDATE public.token_accounts AS a
   SET balance = l.total FROM (SELECT account_id, sum(delta) AS total FROM public.token_ledger GROUP BY 1) AS l
 WHERE l.account_id = a.id;

INSERT INTO public.quest_budget_allocations (quest_id, tokens, share, day)
SELECT 'quest-' || lpad(q::text, 2, '0'), 1000 * q, round(q / 21.0, 6), date '2026-02-20' + d
  FROM generate_series(0, 6) AS d, generate_series(1, 6) AS q ORDER BY d, q;
