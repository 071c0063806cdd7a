"""Prices and admission as functions of the database: one round trip, planned once per session."""

from django.db import migrations

PRICES = """
CREATE FUNCTION economics_model(in_name text)
RETURNS TABLE (name text, tier_id text, provider text, is_enabled boolean) LANGUAGE sql STABLE AS $$
SELECT m.name, m.tier_id::text, m.provider, m.is_enabled FROM economics_models m
 WHERE m.name IN (in_name, substr(in_name, strpos(in_name, '/') + 1))
   AND (m.name = in_name OR m.provider = split_part(in_name, '/', 1))
 ORDER BY m.name = in_name DESC LIMIT 1
$$;
-- A program that writes usage by SQL may leave out the tier: the catalogue knows it, and its line is to count it. A
-- correction has the tier of the row it corrects.
CREATE FUNCTION economics_name_tier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.tier := coalesce((SELECT m.tier_id FROM economics_model(NEW.model) m), '');
    RETURN NEW;
END
$$;
CREATE TRIGGER usage_is_of_its_models_tier BEFORE INSERT ON resource_usage FOR EACH ROW
    WHEN (NEW.tier = '' AND NEW.model <> '' AND NEW.resource_type = 'llm_tokens' AND NEW.corrects_id IS NULL)
    EXECUTE FUNCTION economics_name_tier();
-- The list in force at a moment; before the first list, that first one, flagged.
CREATE FUNCTION economics_price(in_resource text, in_name text, in_at timestamptz)
RETURNS TABLE (id bigint, rate numeric, output_rate numeric, cache_read_rate numeric, cache_write_rate numeric,
               is_first_list boolean)
LANGUAGE sql STABLE AS $$
(SELECT id, rate, output_rate, cache_read_rate, cache_write_rate, false FROM economics_prices
  WHERE resource_type = in_resource AND name = in_name AND withdrawn_at IS NULL AND effective_from <= in_at
  ORDER BY effective_from DESC LIMIT 1)
UNION ALL
(SELECT id, rate, output_rate, cache_read_rate, cache_write_rate, true FROM economics_prices
  WHERE resource_type = in_resource AND name = in_name AND withdrawn_at IS NULL AND effective_from > in_at
  ORDER BY effective_from LIMIT 1)
LIMIT 1
$$;
-- USD. Tokens whose split is unknown are priced with the policy's share of output.
CREATE FUNCTION economics_cost(in_amount numeric, in_input bigint, in_output bigint, in_read bigint, in_write bigint,
                               in_rate numeric, in_output_rate numeric, in_read_rate numeric, in_write_rate numeric,
                               in_output_share numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT round(CASE
    WHEN in_output_rate IS NULL THEN in_amount * in_rate
    WHEN in_input IS NULL THEN in_amount * (in_rate * (1 - in_output_share) + in_output_rate * in_output_share)
    ELSE (in_input - coalesce(in_read, 0) - coalesce(in_write, 0)) * in_rate + in_output * in_output_rate
         + coalesce(in_read, 0) * coalesce(in_read_rate, in_rate)
         + coalesce(in_write, 0) * coalesce(in_write_rate, in_rate) END, 12)
$$;
"""

RESERVE = """
CREATE FUNCTION economics_reserve(
    in_agent text, in_entity_type text, in_entity_id text, in_resource text, in_model text, in_tier text,
    in_provider text, in_amount numeric, in_input bigint, in_output bigint, in_artifact_type text,
    in_artifact_id text, in_slot text, in_seconds integer, in_now timestamptz,
    in_sweep boolean,
    OUT reservation_id bigint, OUT refusal text, OUT refusal_id bigint, OUT line_id bigint, OUT line_title text,
    OUT "limit" numeric, OUT settled numeric, OUT held numeric, OUT asked numeric, OUT resets_at timestamptz,
    OUT most numeric, OUT envelope_id bigint, OUT tier text, OUT usd numeric, OUT price_id bigint,
    OUT expires_at timestamptz, OUT note text
) LANGUAGE plpgsql
-- Plans are kept for the session. One made while tables were known to be empty would read them whole ever after.
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    policy record;
    envelope record;
    model_name text;
    model_enabled boolean;
    price record;
    line record;
    own bigint[];
    fleet bigint;
    starts timestamptz[];
    due bigint[];
    locked bigint[];
    windows timestamptz[];
    unit numeric;
BEGIN
    asked := in_amount;
    SELECT id INTO envelope_id FROM resource_budgets WHERE entity_type = in_entity_type AND entity_id = in_entity_id;
    IF NOT FOUND AND EXISTS (SELECT FROM economics_default_envelopes WHERE entity_type = in_entity_type) THEN
        refusal := 'envelope_due'; RETURN;  -- the caller opens it and asks again
    END IF;
    -- Reservations are locked before all else, as who settles or releases one does. Somebody else may just be ending
    -- some of these: without waiting for him, one would be refused for what he is about to give back.
    -- Not while this transaction keeps everybody out, having just opened the envelope: he would wait for it in turn.
    IF in_sweep AND EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
                               AND classid = 7302 AND objid = 0 AND mode = 'ExclusiveLock') THEN
        due := ARRAY(SELECT r.id FROM economics_reservations r
                      WHERE r.state = 'open' AND r.expires_at <= in_now
                        AND (r.envelope_id = economics_reserve.envelope_id OR r.usd <> 0)
                      ORDER BY r.expires_at, r.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
    ELSIF in_sweep THEN
        due := ARRAY(SELECT r.id FROM economics_reservations r
                      WHERE r.state = 'open' AND r.expires_at <= in_now
                        AND (r.envelope_id = economics_reserve.envelope_id OR r.usd <> 0)
                      ORDER BY r.expires_at, r.id LIMIT 1000 FOR NO KEY UPDATE);
    END IF;
    PERFORM economics_keep_lines();
    SELECT * INTO policy FROM economics_policy WHERE id = 1;
    SELECT id, state, state_reason, frozen_until, request_token_cap INTO envelope
      FROM resource_budgets WHERE id = envelope_id;
    tier := in_tier;
    IF in_resource = 'llm_tokens' THEN
        SELECT m.name, m.tier_id, m.is_enabled INTO model_name, tier, model_enabled FROM economics_model(in_model) m;
    END IF;
    SELECT * INTO price FROM economics_price(
        in_resource, CASE in_resource WHEN 'llm_tokens' THEN model_name WHEN 'api_calls' THEN in_provider ELSE '' END,
        in_now);
    price_id := price.id;
    usd := economics_cost(in_amount, in_input, in_output, NULL, NULL, price.rate, price.output_rate, NULL, NULL,
                          policy.unsplit_output_share);
    SELECT p.reason INTO note FROM economics_pauses p
     WHERE p.ended_at IS NULL AND (p.agent_id IS NULL OR p.agent_id = in_agent) ORDER BY p.agent_id NULLS FIRST LIMIT 1;
    IF FOUND THEN
        refusal := CASE WHEN EXISTS (SELECT FROM economics_pauses WHERE ended_at IS NULL AND agent_id IS NULL)
                        THEN 'fleet_paused' ELSE 'agent_paused' END;
    ELSIF envelope.id IS NULL THEN
        refusal := 'no_envelope';
    ELSIF envelope.state = 'frozen' THEN
        refusal := 'envelope_frozen'; note := envelope.state_reason; resets_at := envelope.frozen_until;
    ELSIF in_resource = 'llm_tokens' AND model_name IS NULL THEN
        refusal := 'unknown_model';
    ELSIF in_resource = 'llm_tokens' AND NOT model_enabled THEN
        refusal := 'model_disabled';
    ELSIF in_resource = 'llm_tokens' AND in_tier <> '' AND in_tier <> tier THEN
        refusal := 'wrong_tier'; note := tier;
    ELSIF price.id IS NULL THEN
        refusal := 'no_price';
    ELSIF in_resource = 'llm_tokens' AND in_amount > least(envelope.request_token_cap, policy.request_token_cap) THEN
        refusal := 'request_too_large'; "limit" := least(envelope.request_token_cap, policy.request_token_cap);
        most := "limit";
    ELSIF usd > policy.request_usd_cap THEN
        refusal := 'request_too_large'; "limit" := policy.request_usd_cap; asked := usd; note := 'USD';
    ELSIF in_seconds > policy.reservation_most_seconds THEN
        refusal := 'lifetime_too_long'; "limit" := policy.reservation_most_seconds; asked := in_seconds;
    END IF;
    IF refusal IS NULL THEN
        SELECT array_agg(l.id ORDER BY l.id),
               array_agg(economics_window_start(l.window_kind, in_now, policy.zone, policy.week_starts_on) ORDER BY l.id)
          INTO own, starts FROM economics_lines l
         WHERE l.envelope_id = envelope.id AND l.resource_type = in_resource
           AND l.qualifier IN ('', economics_qualifier(in_resource, tier, in_provider));
        IF usd > 0 THEN
            SELECT id INTO fleet FROM economics_lines l WHERE l.envelope_id IS NULL;
            own := own || fleet;
            starts := starts || economics_window_start('day', in_now, policy.zone, policy.week_starts_on);
        END IF;
        locked := own;
        windows := starts;
        IF in_sweep THEN
            SELECT array_agg(l.line ORDER BY l.is_fleet, l.line, l.starts),
                   array_agg(l.starts ORDER BY l.is_fleet, l.line, l.starts) INTO locked, windows
              FROM (SELECT h.is_fleet, h.line, h.starts FROM economics_held_by(due) h
                    UNION
                    SELECT o.line = fleet IS TRUE, o.line, o.starts FROM unnest(own, starts) AS o(line, starts)) AS l;
        END IF;
        -- Locked first and read afterwards: whoever waits here sees what has room by then.
        PERFORM economics_move(locked, windows, array_fill(0::numeric, ARRAY[cardinality(locked)]),
                               array_fill(0::numeric, ARRAY[cardinality(locked)]));
        IF in_sweep THEN
            UPDATE economics_reservations SET state = 'expired', closed_at = in_now WHERE id = ANY(due);
        END IF;
        unit := usd / in_amount;
        FOR line IN SELECT * FROM economics_standing(own, in_now) LOOP
            CONTINUE WHEN line."limit" IS NULL;
            most := least(most, floor(CASE WHEN line.envelope_id IS NULL THEN line.remaining / unit
                                           ELSE line.remaining END));
            IF refusal IS NULL AND line."limit" < line.settled + line.held
                    + (CASE WHEN line.envelope_id IS NULL THEN usd ELSE in_amount END) THEN
                refusal := CASE WHEN line.envelope_id IS NULL THEN 'fleet_budget_exhausted' ELSE 'budget_exhausted' END;
                line_id := line.line_id;
                line_title := concat_ws(' ', line.resource_type, nullif(line.qualifier, ''), 'per', line.window_kind);
                "limit" := line."limit"; settled := line.settled; held := line.held; resets_at := line.window_end;
                IF line.envelope_id IS NULL THEN
                    asked := usd;
                END IF;
            END IF;
        END LOOP;
    END IF;
    IF line_id IS NOT NULL AND NOT in_sweep AND EXISTS (
            SELECT FROM economics_reservations r WHERE r.state = 'open' AND r.expires_at <= in_now) THEN
        refusal := 'expiry_due'; RETURN;  -- the caller takes this back, for its locks, and asks again with a sweep
    END IF;
    IF refusal IS NULL THEN
        expires_at := in_now + coalesce(in_seconds, policy.reservation_seconds) * interval '1 second';
        INSERT INTO economics_reservations (
            agent_id, envelope_id, resource_type, model, tier, provider, amount, input_tokens, output_tokens, usd,
            price_id, artifact_type, artifact_id, slot_id, reserved_at, expires_at)
        VALUES (in_agent, envelope.id, in_resource, in_model, coalesce(tier, ''), in_provider, in_amount, in_input,
                in_output, usd, price.id, in_artifact_type, in_artifact_id, in_slot, in_now, expires_at)
        RETURNING id INTO reservation_id;
    ELSE
        INSERT INTO economics_refusals AS r (
            agent_id, entity_type, entity_id, resource_type, model, qualifier, code, line_id, asked, asked_usd, "limit",
            settled, held, resets_at, minute, last_at)
        VALUES (in_agent, in_entity_type, in_entity_id, in_resource, in_model,
                coalesce(economics_qualifier(in_resource, tier, in_provider), in_tier), refusal, line_id, in_amount, usd,
                "limit", settled, held, resets_at, date_trunc('minute', in_now), in_now)
        ON CONFLICT (minute, agent_id, entity_type, entity_id, resource_type, model, qualifier, code, line_id, asked)
        DO UPDATE SET times = r.times + 1, last_at = greatest(r.last_at, excluded.last_at), settled = excluded.settled,
                      held = excluded.held, "limit" = excluded."limit"
        RETURNING id INTO refusal_id;
    END IF;
END
$$
"""

SETTLE = """
CREATE FUNCTION economics_settle(
    in_id bigint, in_agent text, in_amount numeric, in_input bigint, in_output bigint, in_read bigint, in_write bigint,
    in_reported numeric, in_now timestamptz,
    OUT refusal text, OUT usage_id bigint, OUT settled_amount numeric
) LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    reservation record;
    price record;
    share numeric;
BEGIN
    SELECT r.*, b.entity_type, b.entity_id INTO reservation
      FROM economics_reservations r JOIN resource_budgets b ON b.id = r.envelope_id
     WHERE r.id = in_id AND (in_agent IS NULL OR r.agent_id = in_agent) FOR NO KEY UPDATE OF r;
    IF NOT FOUND THEN
        refusal := 'unknown_reservation'; RETURN;
    ELSIF (reservation.resource_type IN ('llm_tokens', 'api_calls') AND in_amount <> trunc(in_amount))
       OR (reservation.resource_type <> 'llm_tokens' AND in_input IS NOT NULL) THEN
        refusal := 'misfit'; RETURN;
    ELSIF reservation.state = 'released' THEN
        refusal := 'reservation_released'; RETURN;
    ELSIF reservation.state = 'settled' THEN
        SELECT id, amount INTO usage_id, settled_amount FROM resource_usage WHERE reservation_id = in_id;
        IF NOT EXISTS (SELECT FROM resource_usage WHERE id = usage_id
                          AND (amount, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens)
                              IS NOT DISTINCT FROM (in_amount, in_input, in_output, in_read, in_write)) THEN
            refusal := 'settled_otherwise';
        END IF;
        RETURN;
    END IF;
    SELECT unsplit_output_share INTO share FROM economics_policy WHERE id = 1;
    SELECT * INTO price FROM economics_price(
        reservation.resource_type,
        CASE reservation.resource_type
            WHEN 'llm_tokens' THEN (SELECT name FROM economics_model(reservation.model))
            WHEN 'api_calls' THEN reservation.provider ELSE '' END,
        reservation.reserved_at);
    -- First what was held goes: it locks every counter of the reservation, and days of usage come after counters.
    UPDATE economics_reservations
       SET state = 'settled', closed_at = in_now,
           settled_late = reservation.state = 'expired' OR reservation.expires_at <= in_now
     WHERE id = in_id;
    -- The moment of use is that of the reservation: it was admitted in those windows and counts there.
    INSERT INTO resource_usage (
        entity_type, entity_id, resource_type, amount, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost, reported_cost, price_id, rate, output_rate, is_first_list, model, tier, provider,
        artifact_type, artifact_id, agent_id, slot_id, reservation_id, source, event_id, created_at, recorded_at)
    VALUES (
        reservation.entity_type, reservation.entity_id, reservation.resource_type, in_amount, in_input, in_output,
        in_read, in_write,
        economics_cost(in_amount, in_input, in_output, in_read, in_write, price.rate, price.output_rate,
                       price.cache_read_rate, price.cache_write_rate, share),
        in_reported, price.id, price.rate, price.output_rate, coalesce(price.is_first_list, false), reservation.model,
        reservation.tier, reservation.provider, reservation.artifact_type, reservation.artifact_id,
        reservation.agent_id, reservation.slot_id, in_id, 'reservation', 'reservation:' || in_id,
        reservation.reserved_at, in_now)
    RETURNING id, amount INTO usage_id, settled_amount;
END
$$
"""

UNDO = """
DROP FUNCTION economics_settle;
DROP FUNCTION economics_reserve;
DROP TRIGGER usage_is_of_its_models_tier ON resource_usage;
DROP FUNCTION economics_name_tier;
DROP FUNCTION economics_cost, economics_price, economics_model;
"""


class Migration(migrations.Migration):
    """The functions behind `admission` and the pricing of usage."""

    dependencies = [("economics", "0004_counting")]

    operations = [migrations.RunSQL(";".join([PRICES.rstrip().rstrip(";"), RESERVE, SETTLE]), UNDO)]
