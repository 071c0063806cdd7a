"""What follows from the rows, kept by the database: lines, counters, days of usage, revisions."""

from django.db import migrations

# A window begins at the first moment of its first local day and ends where the next one begins. Of a local midnight
# that clocks come by twice PostgreSQL takes the later one; all that is known turn back by an hour at most.
WINDOWS = """
CREATE FUNCTION economics_first_moment(in_midnight timestamp, in_zone text)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT least(in_midnight AT TIME ZONE in_zone,
             ((in_midnight - interval '1 hour') AT TIME ZONE in_zone AT TIME ZONE 'UTC' + interval '1 hour')
             AT TIME ZONE 'UTC')
$$;
CREATE FUNCTION economics_window_start(in_kind text, in_at timestamptz, in_zone text, in_week smallint)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE in_kind
    WHEN 'day' THEN economics_first_moment(date_trunc('day', in_at AT TIME ZONE in_zone), in_zone)
    WHEN 'week' THEN economics_first_moment(
        date_trunc('day', in_at AT TIME ZONE in_zone)
        - interval '1 day' * ((extract(isodow FROM in_at AT TIME ZONE in_zone)::int - in_week + 7) % 7), in_zone)
    WHEN 'month' THEN economics_first_moment(date_trunc('month', in_at AT TIME ZONE in_zone), in_zone)
    ELSE timestamptz '1970-01-01 00:00:00+00' END
$$;
CREATE FUNCTION economics_window_end(in_kind text, in_start timestamptz, in_zone text)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE in_kind
    WHEN 'day' THEN economics_first_moment(date_trunc('day', in_start AT TIME ZONE in_zone) + interval '1 day', in_zone)
    WHEN 'week' THEN economics_first_moment(
        date_trunc('day', in_start AT TIME ZONE in_zone) + interval '7 days', in_zone)
    WHEN 'month' THEN economics_first_moment(
        date_trunc('month', in_start AT TIME ZONE in_zone) + interval '1 month', in_zone) END
$$;
CREATE FUNCTION economics_qualifier(in_resource text, in_tier text, in_provider text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE in_resource WHEN 'llm_tokens' THEN in_tier WHEN 'api_calls' THEN in_provider ELSE '' END
$$;
CREATE FUNCTION economics_limit(in_resource text, in_base numeric, in_weight numeric, in_granted numeric,
                                in_start timestamptz, in_end timestamptz)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE in_resource
    WHEN 'usd' THEN in_base + in_granted
    WHEN 'storage_gb_hours'
        -- Nothing stays nothing, however long a lifetime is.
        THEN floor(CASE in_base WHEN 0 THEN 0 ELSE in_base * (extract(epoch FROM in_end - in_start) / 3600) END
                   * (1 + in_weight)) + in_granted
    ELSE floor(in_base * (1 + in_weight)) + in_granted END
$$;
-- Where lines stand in the window of a moment. Admission, the admin and the API all read this.
CREATE FUNCTION economics_standing(in_lines bigint[], in_at timestamptz)
RETURNS TABLE (line_id bigint, envelope_id bigint, resource_type text, qualifier text, window_kind text,
               is_named boolean, base numeric, window_start timestamptz, window_end timestamptz, granted numeric,
               "limit" numeric, settled numeric, held numeric, remaining numeric)
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
SELECT l.id, l.envelope_id, l.resource_type, l.qualifier, l.window_kind, l.is_named, l.base, w.starts, e.ends,
       g.granted, m.most, coalesce(c.settled, 0), coalesce(c.held, 0),
       CASE WHEN m.most IS NOT NULL THEN greatest(0, m.most - coalesce(c.settled, 0) - coalesce(c.held, 0)) END
  FROM unnest(in_lines) AS asked(id)
  JOIN economics_lines l ON l.id = asked.id
  JOIN economics_policy p ON p.id = 1
  LEFT JOIN resource_budgets b ON b.id = l.envelope_id
 CROSS JOIN LATERAL (SELECT economics_window_start(l.window_kind, in_at, p.zone, p.week_starts_on)) AS w(starts)
 CROSS JOIN LATERAL (SELECT economics_window_end(l.window_kind, w.starts, p.zone)) AS e(ends)
 CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) FROM economics_grants
                      WHERE line_id = l.id AND w.starts BETWEEN first_window AND last_window AND ended_at IS NULL
                    ) AS g(granted)
 CROSS JOIN LATERAL (SELECT economics_limit(l.resource_type, l.base, b.market_weight, g.granted, w.starts, e.ends)
                    ) AS m(most)
  LEFT JOIN economics_counters c ON c.line_id = l.id AND c.window_start = w.starts
 ORDER BY l.envelope_id IS NULL, l.id
$$;
"""

# Every program locks counters in the same order: lines by id, then windows, the fleet's line last. The arrays come
# in that order. Missing counters are made before any is locked.
COUNTING = """
-- Lines and the calendar stay as they are until the transaction ends, and every statement from here on sees them: who
-- makes lines or moves the calendar holds this lock alone. A snapshot from before would not see what he made.
CREATE FUNCTION economics_keep_lines() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'usage and reservations are written in READ COMMITTED, to be counted on lines opened meanwhile'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(7302, 0);
END
$$;
CREATE FUNCTION economics_move(in_lines bigint[], in_windows timestamptz[], in_settled numeric[], in_held numeric[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO economics_counters (line_id, window_start)
    SELECT d.line, d.starts FROM unnest(in_lines, in_windows) WITH ORDINALITY AS d(line, starts, place)
     WHERE NOT EXISTS (SELECT FROM economics_counters c WHERE c.line_id = d.line AND c.window_start = d.starts)
     ORDER BY d.place ON CONFLICT (line_id, window_start) DO NOTHING;
    PERFORM FROM unnest(in_lines, in_windows) WITH ORDINALITY AS d(line, starts, place)
       JOIN economics_counters c ON c.line_id = d.line AND c.window_start = d.starts
      ORDER BY d.place FOR NO KEY UPDATE OF c;
    UPDATE economics_counters c SET settled = c.settled + d.settled, held = c.held + d.held
      FROM unnest(in_lines, in_windows, in_settled, in_held) AS d(line, starts, settled, held)
     WHERE c.line_id = d.line AND c.window_start = d.starts;
END
$$;

CREATE FUNCTION economics_count_usage() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    policy record;
    lines bigint[];
    windows timestamptz[];
    sums numeric[];
BEGIN
    PERFORM economics_keep_lines();
    SELECT zone, week_starts_on INTO policy FROM economics_policy WHERE id = 1;
    SELECT array_agg(line ORDER BY is_fleet, line, starts), array_agg(starts ORDER BY is_fleet, line, starts),
           array_agg(amount ORDER BY is_fleet, line, starts)
      INTO lines, windows, sums
      FROM (SELECT is_fleet, line, starts, sum(amount) AS amount
              FROM (SELECT false AS is_fleet, l.id AS line, u.amount,
                           economics_window_start(l.window_kind, u.created_at, policy.zone, policy.week_starts_on) AS starts
                      FROM inserted u
                      JOIN resource_budgets b ON b.entity_type = u.entity_type AND b.entity_id = u.entity_id
                      JOIN economics_lines l ON l.envelope_id = b.id AND l.resource_type = u.resource_type
                       AND l.qualifier IN ('', economics_qualifier(u.resource_type, u.tier, u.provider))
                    UNION ALL
                    SELECT true, f.id, u.cost,
                           economics_window_start(f.window_kind, u.created_at, policy.zone, policy.week_starts_on)
                      FROM inserted u JOIN economics_lines f ON f.envelope_id IS NULL WHERE u.cost <> 0) AS moved
             GROUP BY is_fleet, line, starts) AS summed;
    IF lines IS NOT NULL THEN
        PERFORM economics_move(lines, windows, sums, array_fill(0::numeric, ARRAY[cardinality(lines)]));
    END IF;
    INSERT INTO economics_usage_days AS d (day, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                           amount, cost, unpriced_amount, events)
    SELECT (created_at AT TIME ZONE policy.zone)::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
           sum(amount), sum(coalesce(cost, 0)), sum(CASE WHEN cost IS NULL THEN amount ELSE 0 END), count(*)
      FROM inserted GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (day, entity_type, entity_id, resource_type, tier, provider, agent_id) DO UPDATE
       SET amount = d.amount + excluded.amount, cost = d.cost + excluded.cost,
           unpriced_amount = d.unpriced_amount + excluded.unpriced_amount, events = d.events + excluded.events;
    RETURN NULL;
END
$$;
CREATE TRIGGER usage_is_counted AFTER INSERT ON resource_usage
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION economics_count_usage();

CREATE FUNCTION economics_count_prices() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    policy record;
    lines bigint[];
    windows timestamptz[];
    sums numeric[];
BEGIN
    PERFORM economics_keep_lines();
    SELECT zone, week_starts_on INTO policy FROM economics_policy WHERE id = 1;
    -- EXECUTE plans anew: a plan kept from one row would join ten thousand one by one.
    EXECUTE $q$
        SELECT array_agg(line ORDER BY starts), array_agg(starts ORDER BY starts), array_agg(amount ORDER BY starts)
          FROM (SELECT f.id AS line, sum(n.cost) AS amount,
                       economics_window_start(f.window_kind, n.created_at, $1, $2) AS starts
                  FROM priced n JOIN unpriced o USING (id) JOIN economics_lines f ON f.envelope_id IS NULL
                 WHERE o.cost IS NULL AND n.cost <> 0 GROUP BY 1, 3) AS summed$q$
       INTO lines, windows, sums USING policy.zone, policy.week_starts_on;
    IF lines IS NOT NULL THEN
        PERFORM economics_move(lines, windows, sums, array_fill(0::numeric, ARRAY[cardinality(lines)]));
    END IF;
    EXECUTE $q$
        INSERT INTO economics_usage_days AS d (day, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                               cost, unpriced_amount)
        SELECT (n.created_at AT TIME ZONE $1)::date, n.entity_type, n.entity_id, n.resource_type, n.tier, n.provider,
               n.agent_id, sum(n.cost), -sum(n.amount)
          FROM priced n JOIN unpriced o USING (id) WHERE o.cost IS NULL AND n.cost IS NOT NULL
         GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (day, entity_type, entity_id, resource_type, tier, provider, agent_id) DO UPDATE
           SET cost = d.cost + excluded.cost, unpriced_amount = d.unpriced_amount + excluded.unpriced_amount$q$
     USING policy.zone;
    RETURN NULL;
END
$$;
CREATE TRIGGER usage_price_is_counted AFTER UPDATE ON resource_usage
    REFERENCING OLD TABLE AS unpriced NEW TABLE AS priced FOR EACH STATEMENT EXECUTE FUNCTION economics_count_prices();

-- The counters on which reservations are held, and how much.
CREATE FUNCTION economics_held_by(in_reservations bigint[])
RETURNS TABLE (is_fleet boolean, line bigint, starts timestamptz, amount numeric) LANGUAGE sql STABLE AS $$
SELECT is_fleet, line, starts, sum(amount)
  FROM (SELECT false AS is_fleet, l.id AS line, r.amount,
               economics_window_start(l.window_kind, r.reserved_at, p.zone, p.week_starts_on) AS starts
          FROM economics_policy p, economics_reservations r
          JOIN economics_lines l ON l.envelope_id = r.envelope_id AND l.resource_type = r.resource_type
           AND l.qualifier IN ('', economics_qualifier(r.resource_type, r.tier, r.provider))
         WHERE p.id = 1 AND r.id = ANY(in_reservations)
        UNION ALL
        SELECT true, f.id, r.usd, economics_window_start(f.window_kind, r.reserved_at, p.zone, p.week_starts_on)
          FROM economics_policy p, economics_reservations r JOIN economics_lines f ON f.envelope_id IS NULL
         WHERE p.id = 1 AND r.id = ANY(in_reservations) AND r.usd <> 0) AS held
 GROUP BY 1, 2, 3
$$;

CREATE FUNCTION economics_count_reservations() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    lines bigint[];
    windows timestamptz[];
    sums numeric[];
    opened bigint[];
    closed bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(id) INTO opened FROM after WHERE state = 'open';
    ELSE
        -- INTERSECT never joins row by row, however old the plan.
        SELECT array_agg(id) INTO closed
          FROM (SELECT id FROM after WHERE state <> 'open' INTERSECT SELECT id FROM before WHERE state = 'open') AS ended;
    END IF;
    IF opened IS NULL AND closed IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM economics_keep_lines();
    SELECT array_agg(line ORDER BY is_fleet, line, starts), array_agg(starts ORDER BY is_fleet, line, starts),
           array_agg(CASE WHEN opened IS NULL THEN -amount ELSE amount END ORDER BY is_fleet, line, starts)
      INTO lines, windows, sums FROM economics_held_by(coalesce(opened, closed));
    PERFORM economics_move(lines, windows, array_fill(0::numeric, ARRAY[cardinality(lines)]), sums);
    RETURN NULL;
END
$$;
CREATE TRIGGER reservation_is_held AFTER INSERT ON economics_reservations
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION economics_count_reservations();
CREATE TRIGGER reservation_is_released AFTER UPDATE ON economics_reservations
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION economics_count_reservations();
"""

# What lines are to hold, made from days of usage and from open reservations: every window is made of whole days.
SEEDING = """
CREATE FUNCTION economics_seed(in_lines bigint[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
INSERT INTO economics_counters (line_id, window_start, settled, held)
SELECT line, starts, sum(settled), sum(held)
  FROM (SELECT l.id AS line, d.amount AS settled, 0 AS held,
               economics_window_start(l.window_kind, economics_first_moment(d.day, p.zone), p.zone, p.week_starts_on)
               AS starts
          FROM unnest(in_lines) AS asked(id) JOIN economics_lines l ON l.id = asked.id
          JOIN economics_policy p ON p.id = 1
          JOIN resource_budgets b ON b.id = l.envelope_id
          JOIN economics_usage_days d ON d.entity_type = b.entity_type AND d.entity_id = b.entity_id
           AND d.resource_type = l.resource_type
           AND l.qualifier IN ('', economics_qualifier(d.resource_type, d.tier, d.provider))
        UNION ALL
        SELECT l.id, 0, r.amount, economics_window_start(l.window_kind, r.reserved_at, p.zone, p.week_starts_on)
          FROM unnest(in_lines) AS asked(id) JOIN economics_lines l ON l.id = asked.id
          JOIN economics_policy p ON p.id = 1
          JOIN economics_reservations r ON r.envelope_id = l.envelope_id AND r.state = 'open'
           AND r.resource_type = l.resource_type
           AND l.qualifier IN ('', economics_qualifier(r.resource_type, r.tier, r.provider))
        UNION ALL
        SELECT l.id, d.cost, 0,
               economics_window_start(l.window_kind, economics_first_moment(d.day, p.zone), p.zone, p.week_starts_on)
          FROM unnest(in_lines) AS asked(id) JOIN economics_lines l ON l.id = asked.id AND l.envelope_id IS NULL
          JOIN economics_policy p ON p.id = 1
          JOIN economics_usage_days d ON d.cost <> 0
        UNION ALL
        SELECT l.id, 0, r.usd, economics_window_start(l.window_kind, r.reserved_at, p.zone, p.week_starts_on)
          FROM unnest(in_lines) AS asked(id) JOIN economics_lines l ON l.id = asked.id AND l.envelope_id IS NULL
          JOIN economics_policy p ON p.id = 1
          JOIN economics_reservations r ON r.state = 'open'
       ) AS counted
 GROUP BY line, starts
    ON CONFLICT (line_id, window_start) DO NOTHING
$$;

CREATE FUNCTION economics_seed_days() RETURNS void LANGUAGE sql AS $$
INSERT INTO economics_usage_days (day, entity_type, entity_id, resource_type, tier, provider, agent_id, amount, cost,
                                  unpriced_amount, events)
SELECT (u.created_at AT TIME ZONE p.zone)::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
       sum(amount), sum(coalesce(cost, 0)), sum(CASE WHEN cost IS NULL THEN amount ELSE 0 END), count(*)
  FROM resource_usage u JOIN economics_policy p ON p.id = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7
$$;

CREATE FUNCTION economics_open_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made bigint[];
BEGIN
    SELECT array_agg(id) INTO made FROM inserted;
    IF made IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(7302, 0);
        PERFORM economics_seed(made);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER line_counts_what_was_before AFTER INSERT ON economics_lines
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION economics_open_lines();

CREATE FUNCTION economics_follow_policy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := coalesce(nullif(current_setting('economy.now', true), '')::timestamptz, clock_timestamp());
    kinds text[] := CASE WHEN TG_OP = 'UPDATE' AND NEW.zone = OLD.zone THEN '{week}' ELSE '{day,week,month}' END;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO economics_lines (envelope_id, resource_type, window_kind, base, is_named)
        SELECT NULL, 'usd', 'day', NEW.fleet_daily_usd, true
         WHERE NOT EXISTS (SELECT FROM economics_lines WHERE envelope_id IS NULL);
        RETURN NULL;
    END IF;
    UPDATE economics_lines SET base = NEW.fleet_daily_usd
     WHERE envelope_id IS NULL AND base IS DISTINCT FROM NEW.fleet_daily_usd;
    IF (OLD.zone, OLD.week_starts_on) IS NOT DISTINCT FROM (NEW.zone, NEW.week_starts_on) THEN
        RETURN NULL;
    END IF;
    -- The calendar moves: whatever has a date in it is counted anew, the past as well.
    PERFORM pg_advisory_xact_lock(7302, 0);
    DELETE FROM economics_counters c USING economics_lines l WHERE l.id = c.line_id AND l.window_kind = ANY(kinds);
    IF NEW.zone <> OLD.zone THEN
        DELETE FROM economics_usage_days;
        PERFORM economics_seed_days();
    END IF;
    PERFORM economics_seed(array_agg(id)) FROM economics_lines WHERE window_kind = ANY(kinds);
    -- Grants keep their local dates: each that is not over ends, and one for the same days takes its place.
    WITH moved AS (
        SELECT g.id, economics_window_start(l.window_kind, f.at, NEW.zone, NEW.week_starts_on) AS first_window,
               economics_window_start(l.window_kind, t.at, NEW.zone, NEW.week_starts_on) AS last_window,
               greatest(economics_window_end(l.window_kind, g.last_window, OLD.zone),
                        economics_window_end(
                            l.window_kind, economics_window_start(l.window_kind, t.at, NEW.zone, NEW.week_starts_on),
                            NEW.zone)) AS until
          FROM economics_grants g JOIN economics_lines l ON l.id = g.line_id AND l.window_kind = ANY(kinds)
         CROSS JOIN LATERAL (SELECT economics_first_moment(date_trunc('day', g.first_window AT TIME ZONE OLD.zone),
                                                           NEW.zone)) AS f(at)
         CROSS JOIN LATERAL (SELECT economics_first_moment(date_trunc('day', g.last_window AT TIME ZONE OLD.zone),
                                                           NEW.zone)) AS t(at)
         WHERE g.ended_at IS NULL
    ), ended AS (
        UPDATE economics_grants g SET ended_at = moment FROM moved m
         WHERE g.id = m.id AND m.until > moment
           AND (g.first_window, g.last_window) IS DISTINCT FROM (m.first_window, m.last_window)
        RETURNING g.*, m.first_window AS new_first, m.last_window AS new_last
    )
    INSERT INTO economics_grants (line_id, amount, first_window, last_window, reason, granted_by, cause_kind, cause_id,
                                  created_at)
    SELECT line_id, amount, new_first, new_last, reason, granted_by, cause_kind, cause_id, moment
      FROM ended ORDER BY id;
    RETURN NULL;
END
$$;
CREATE TRIGGER policy_is_followed AFTER INSERT OR UPDATE ON economics_policy
    FOR EACH ROW EXECUTE FUNCTION economics_follow_policy();
"""

# Who changed an envelope, why and for what cause stands in settings of the transaction; a program that sets none is
# named by its role.
FOLLOWING = """
CREATE FUNCTION economics_revise(in_envelopes bigint[], in_changes jsonb[]) RETURNS void LANGUAGE sql AS $$
INSERT INTO economics_revisions (envelope_id, at, who, why, cause_kind, cause_id, changes)
SELECT envelope, coalesce(nullif(current_setting('economy.now', true), '')::timestamptz, clock_timestamp()),
       coalesce(nullif(current_setting('economy.who', true), ''), 'SQL as ' || session_user),
       coalesce(current_setting('economy.why', true), ''), coalesce(current_setting('economy.cause_kind', true), ''),
       coalesce(current_setting('economy.cause_id', true), ''), changed
  FROM unnest(in_envelopes, in_changes) WITH ORDINALITY AS r(envelope, changed, place)
 WHERE changed IS NOT NULL AND changed <> '{}' ORDER BY place
$$;

CREATE FUNCTION economics_tracked() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT ARRAY['window_kind', 'token_budget', 'cpu_budget', 'storage_budget_gb', 'api_call_budget', 'request_token_cap',
             'market_weight', 'priority_score', 'state', 'state_reason', 'frozen_by_check', 'granted_at', 'granted_by']
$$;
-- The lines that the named columns of an envelope keep.
CREATE FUNCTION economics_ceilings(in_envelope resource_budgets)
RETURNS TABLE (place integer, resource_type text, base numeric) LANGUAGE sql IMMUTABLE AS $$
VALUES (1, 'llm_tokens', in_envelope.token_budget::numeric), (2, 'cpu_seconds', in_envelope.cpu_budget),
       (3, 'storage_gb_hours', in_envelope.storage_budget_gb), (4, 'api_calls', in_envelope.api_call_budget::numeric)
$$;

CREATE FUNCTION economics_follow_envelopes() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    ids bigint[];
    changes jsonb[];
    resized boolean := true;
BEGIN
    -- EXECUTE plans anew: a plan kept from a change of one row would join those of a hundred thousand one by one.
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(n.id ORDER BY n.id),
               array_agg((SELECT jsonb_object_agg(key, jsonb_build_array(NULL, value))
                            FROM jsonb_each(to_jsonb(n)) WHERE key = ANY(economics_tracked()) AND value <> 'null') ORDER BY n.id)
          INTO ids, changes FROM after n;
    ELSE
        EXECUTE $q$
            SELECT array_agg(n.id ORDER BY n.id),
                   array_agg((SELECT jsonb_object_agg(key, jsonb_build_array(was.value, is_now.value))
                                FROM jsonb_each(to_jsonb(o)) was JOIN jsonb_each(to_jsonb(n)) is_now USING (key)
                               WHERE key = ANY(economics_tracked()) AND was.value IS DISTINCT FROM is_now.value) ORDER BY n.id),
                   bool_or((o.window_kind, o.token_budget, o.cpu_budget, o.storage_budget_gb, o.api_call_budget)
                           IS DISTINCT FROM
                           (n.window_kind, n.token_budget, n.cpu_budget, n.storage_budget_gb, n.api_call_budget))
              FROM after n JOIN before o USING (id)
             WHERE (o.window_kind, o.token_budget, o.cpu_budget, o.storage_budget_gb, o.api_call_budget,
                    o.request_token_cap, o.market_weight, o.priority_score, o.state, o.state_reason, o.frozen_by_check, o.granted_at, o.granted_by) IS DISTINCT FROM
                   (n.window_kind, n.token_budget, n.cpu_budget, n.storage_budget_gb, n.api_call_budget,
                    n.request_token_cap, n.market_weight, n.priority_score, n.state, n.state_reason, n.frozen_by_check, n.granted_at, n.granted_by)$q$
           INTO ids, changes, resized;
    END IF;
    PERFORM economics_revise(ids, changes);
    IF ids IS NULL OR NOT resized THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        EXECUTE $q$
            UPDATE economics_lines l SET base = NULL, is_named = false FROM after n JOIN before o USING (id)
             WHERE o.window_kind <> n.window_kind AND l.envelope_id = n.id AND l.is_named
               AND l.window_kind = o.window_kind$q$;
    END IF;
    EXECUTE $q$
        UPDATE economics_lines l SET base = c.base, is_named = true
          FROM after n CROSS JOIN LATERAL economics_ceilings(n) AS c(place, resource_type, base)
         WHERE l.envelope_id = n.id AND l.resource_type = c.resource_type AND l.qualifier = ''
           AND l.window_kind = n.window_kind AND (l.base IS DISTINCT FROM c.base OR NOT l.is_named)$q$;
    EXECUTE $q$
        INSERT INTO economics_lines (envelope_id, resource_type, window_kind, base, is_named)
        SELECT n.id, c.resource_type, n.window_kind, c.base, true
          FROM after n CROSS JOIN LATERAL economics_ceilings(n) AS c(place, resource_type, base)
         WHERE NOT EXISTS (SELECT FROM economics_lines l WHERE l.envelope_id = n.id
                              AND l.resource_type = c.resource_type AND l.qualifier = '' AND l.window_kind = n.window_kind)
         ORDER BY n.id, c.place
        ON CONFLICT (envelope_id, resource_type, qualifier, window_kind) DO NOTHING$q$;
    RETURN NULL;
END
$$;
CREATE TRIGGER envelope_opens_its_lines AFTER INSERT ON resource_budgets
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION economics_follow_envelopes();
CREATE TRIGGER envelope_moves_its_lines AFTER UPDATE ON resource_budgets
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION economics_follow_envelopes();

CREATE FUNCTION economics_line_title(in_resource text, in_qualifier text, in_window text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT concat_ws(' ', in_resource, nullif(in_qualifier, ''), 'per', in_window)
$$;
CREATE FUNCTION economics_revise_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM economics_revise(ARRAY[NEW.envelope_id], ARRAY[jsonb_build_object(
        economics_line_title(NEW.resource_type, NEW.qualifier, NEW.window_kind),
        jsonb_build_array(CASE WHEN TG_OP = 'UPDATE' THEN OLD.base END, NEW.base))]);
    RETURN NULL;
END
$$;
CREATE TRIGGER line_opening_is_revised AFTER INSERT ON economics_lines FOR EACH ROW
    WHEN (NEW.envelope_id IS NOT NULL AND NOT NEW.is_named) EXECUTE FUNCTION economics_revise_line();
CREATE TRIGGER line_change_is_revised AFTER UPDATE OF base ON economics_lines FOR EACH ROW
    WHEN (NEW.envelope_id IS NOT NULL AND NOT NEW.is_named AND NOT OLD.is_named AND OLD.base IS DISTINCT FROM NEW.base)
    EXECUTE FUNCTION economics_revise_line();
CREATE FUNCTION economics_revise_grant() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line record;
BEGIN
    SELECT * INTO line FROM economics_lines WHERE id = NEW.line_id;
    IF line.envelope_id IS NOT NULL THEN
        PERFORM economics_revise(ARRAY[line.envelope_id], ARRAY[jsonb_build_object(
            'grant on ' || economics_line_title(line.resource_type, line.qualifier, line.window_kind),
            CASE WHEN TG_OP = 'INSERT' THEN jsonb_build_array(NULL, NEW.amount)
                 ELSE jsonb_build_array(NEW.amount, NULL) END)]);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER grant_is_revised AFTER INSERT ON economics_grants FOR EACH ROW EXECUTE FUNCTION economics_revise_grant();
CREATE TRIGGER grant_end_is_revised AFTER UPDATE OF ended_at ON economics_grants FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION economics_revise_grant();
"""

# Usage from before days were kept, when there was no policy yet, either.
DAYS = """
INSERT INTO economics_usage_days (day, entity_type, entity_id, resource_type, tier, provider, agent_id, amount, cost,
                                  unpriced_amount, events)
SELECT (created_at AT TIME ZONE 'UTC')::date, entity_type, entity_id, resource_type, tier, provider, agent_id,
       sum(amount), sum(coalesce(cost, 0)), sum(CASE WHEN cost IS NULL THEN amount ELSE 0 END), count(*)
  FROM resource_usage GROUP BY 1, 2, 3, 4, 5, 6, 7
"""

UNDO = """
DROP TRIGGER grant_end_is_revised ON economics_grants;
DROP TRIGGER grant_is_revised ON economics_grants;
DROP TRIGGER line_change_is_revised ON economics_lines;
DROP TRIGGER line_opening_is_revised ON economics_lines;
DROP TRIGGER envelope_moves_its_lines ON resource_budgets;
DROP TRIGGER envelope_opens_its_lines ON resource_budgets;
DROP TRIGGER policy_is_followed ON economics_policy;
DROP TRIGGER line_counts_what_was_before ON economics_lines;
DROP TRIGGER reservation_is_released ON economics_reservations;
DROP TRIGGER reservation_is_held ON economics_reservations;
DROP TRIGGER usage_price_is_counted ON resource_usage;
DROP TRIGGER usage_is_counted ON resource_usage;
DROP FUNCTION economics_revise_grant, economics_revise_line, economics_line_title, economics_follow_envelopes,
    economics_ceilings, economics_tracked, economics_revise, economics_follow_policy, economics_open_lines,
    economics_seed_days, economics_seed, economics_count_reservations, economics_held_by, economics_count_prices,
    economics_count_usage, economics_move, economics_keep_lines, economics_standing, economics_limit,
    economics_qualifier, economics_window_end, economics_window_start, economics_first_moment;
"""


class Migration(migrations.Migration):
    """Functions and statement triggers that Django cannot state in a model."""

    dependencies = [("economics", "0003_books")]

    operations = [
        migrations.RunSQL(WINDOWS + COUNTING + SEEDING + FOLLOWING, UNDO),
        migrations.RunSQL(DAYS, migrations.RunSQL.noop),
    ]
