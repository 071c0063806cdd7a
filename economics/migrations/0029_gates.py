"""Whether envelopes have room at all, asked before anybody competes for the right to use it."""

from django.db import migrations

# `room`, in LLM tokens, is the least that remains on a line of the class as a whole or of the tier named; NULL: no
# such line has a ceiling. Where an envelope would be opened by default on first use, it is what that would allow.
# Read without locks: who wants to be certain reserves.
GATES = """
CREATE FUNCTION economics_gates(in_types text[], in_ids text[], in_at timestamptz, in_tiers text[] DEFAULT NULL)
RETURNS TABLE (entity_type text, entity_id text, code text, room numeric, tier text) LANGUAGE plpgsql STABLE
-- No table is read whole because it was once known to be empty.
SET enable_seqscan = off
AS $$
BEGIN
    -- EXECUTE plans for this many entities: a plan kept from one would look for a hundred thousand one by one.
    RETURN QUERY EXECUTE $q$
        WITH asked AS MATERIALIZED (
            SELECT DISTINCT a.entity_type, a.entity_id, coalesce(a.tier, '') AS tier
              FROM unnest($1, $2, $4) AS a(entity_type, entity_id, tier) WHERE a.entity_type IS NOT NULL
        ), calendar AS MATERIALIZED (
            SELECT k.kind, economics_window_start(k.kind, $3, p.zone, p.week_starts_on) AS starts
              FROM economics_policy p, unnest(ARRAY['day', 'week', 'month', 'lifetime']) AS k(kind) WHERE p.id = 1
        ), envelope AS MATERIALIZED (
            SELECT a.entity_type, a.entity_id, a.tier, b.id, b.state, b.market_weight
              FROM asked a JOIN resource_budgets b ON b.entity_type = a.entity_type AND b.entity_id = a.entity_id
        ), standing AS (
            SELECT e.entity_type, e.entity_id, e.tier,
                   min(greatest(0, economics_limit('llm_tokens', l.base, e.market_weight, coalesce(g.granted, 0),
                                                   NULL, NULL)
                                   - coalesce(c.settled, 0) - coalesce(c.held, 0))) AS room
              FROM envelope e
              JOIN economics_lines l ON l.envelope_id = e.id AND l.resource_type = 'llm_tokens'
               AND l.qualifier IN ('', e.tier) AND l.base IS NOT NULL
              JOIN calendar w ON w.kind = l.window_kind
              LEFT JOIN economics_counters c ON c.line_id = l.id AND c.window_start = w.starts
              LEFT JOIN LATERAL (SELECT sum(amount) AS granted FROM economics_grants
                                  WHERE line_id = l.id AND w.starts BETWEEN first_window AND last_window
                                    AND ended_at IS NULL) AS g ON true
             GROUP BY 1, 2, 3
        )
        SELECT a.entity_type, a.entity_id,
               CASE WHEN e.id IS NULL AND d.entity_type IS NULL THEN 'no_envelope'
                    WHEN e.state = 'frozen' THEN 'envelope_frozen'
                    WHEN r.room < 1 THEN 'envelope_exhausted' ELSE '' END,
               r.room, a.tier
          FROM asked a
          LEFT JOIN envelope e ON (e.entity_type, e.entity_id, e.tier) = (a.entity_type, a.entity_id, a.tier)
          LEFT JOIN standing s ON (s.entity_type, s.entity_id, s.tier) = (a.entity_type, a.entity_id, a.tier)
          LEFT JOIN economics_default_envelopes d ON d.entity_type = a.entity_type AND e.id IS NULL
         CROSS JOIN LATERAL (SELECT CASE WHEN e.id IS NULL THEN d.token_budget ELSE s.room END) AS r(room)
    $q$ USING in_types, in_ids, in_at, in_tiers;
END
$$;
-- The same for one entity, with the plans of the session, and for a use of so many tokens of a model.
CREATE FUNCTION economics_gate(in_type text, in_id text, in_at timestamptz, in_tokens bigint DEFAULT 1,
                               in_model text DEFAULT '')
RETURNS text LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    envelope record;
    tier text := '';
    least_room numeric;
BEGIN
    SELECT b.id, b.state, b.market_weight INTO envelope
      FROM resource_budgets b WHERE b.entity_type = in_type AND b.entity_id = in_id;
    IF NOT FOUND THEN
        SELECT d.token_budget INTO least_room FROM economics_default_envelopes d WHERE d.entity_type = in_type;
        RETURN CASE WHEN NOT FOUND THEN 'no_envelope'
                    WHEN least_room < greatest(in_tokens, 1) THEN 'envelope_exhausted' ELSE '' END;
    ELSIF envelope.state = 'frozen' THEN
        RETURN 'envelope_frozen';
    END IF;
    IF in_model <> '' THEN
        tier := coalesce((SELECT m.tier_id FROM economics_model(in_model) m), '');
    END IF;
    SELECT min(economics_limit('llm_tokens', l.base, envelope.market_weight,
                               coalesce((SELECT sum(g.amount) FROM economics_grants g
                                          WHERE g.line_id = l.id AND g.ended_at IS NULL
                                            AND w.starts BETWEEN g.first_window AND g.last_window), 0), NULL, NULL)
               - coalesce(c.settled, 0) - coalesce(c.held, 0))
      INTO least_room
      FROM economics_policy p
      JOIN economics_lines l ON l.envelope_id = envelope.id AND l.resource_type = 'llm_tokens'
       AND l.qualifier IN ('', tier) AND l.base IS NOT NULL
     CROSS JOIN LATERAL (SELECT economics_window_start(l.window_kind, in_at, p.zone, p.week_starts_on)
                        ) AS w(starts)
      LEFT JOIN economics_counters c ON c.line_id = l.id AND c.window_start = w.starts
     WHERE p.id = 1;
    RETURN CASE WHEN least_room < greatest(in_tokens, 1) THEN 'envelope_exhausted' ELSE '' END;
END
$$;
"""


class Migration(migrations.Migration):
    """The functions behind `gate`."""

    dependencies = [("economics", "0028_versions_have_a_history")]

    operations = [migrations.RunSQL(GATES, "DROP FUNCTION economics_gate; DROP FUNCTION economics_gates")]
