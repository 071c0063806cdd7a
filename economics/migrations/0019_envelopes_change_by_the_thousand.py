"""Changes of a hundred thousand envelopes are revised without taking each row apart."""

from importlib import import_module

from django.db import migrations

TRACKED = (
    *("window_kind", "token_budget", "cpu_budget", "storage_budget_gb", "api_call_budget", "request_token_cap"),
    *("market_weight", "priority_score", "state", "state_reason", "frozen_by_check", "granted_at", "granted_by"),
)
SIZES = TRACKED[:5]


def _all(row, columns):
    return ", ".join(f"{row}.{column}" for column in columns)


CHANGES = ", ".join(
    f"'{c}', CASE WHEN o.{c} IS DISTINCT FROM n.{c} THEN jsonb_build_array(o.{c}, n.{c}) END" for c in TRACKED
)

# What did not change is NULL and stripped; a NULL inside [old, new] stays. With the memory both tables of a hundred
# thousand rows are sorted and joined without files.
FOLLOW = f"""
CREATE OR REPLACE FUNCTION economics_follow_envelopes() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET work_mem = '64MB' AS $$
DECLARE
    ids bigint[];
    changes jsonb[];
    resized boolean := true;
    rewound boolean := true;
BEGIN
    -- EXECUTE plans anew: a plan kept from a change of one row would join those of a hundred thousand one by one.
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(n.id ORDER BY n.id),
               array_agg((SELECT jsonb_object_agg(key, jsonb_build_array(NULL, value))
                            FROM jsonb_each(to_jsonb(n)) WHERE key = ANY(economics_tracked()) AND value <> 'null') ORDER BY n.id)
          INTO ids, changes FROM after n;
    ELSE
        EXECUTE $q$
            SELECT array_agg(n.id ORDER BY n.id), array_agg(jsonb_strip_nulls(jsonb_build_object(
                   {CHANGES})) ORDER BY n.id),
                   bool_or(({_all("o", SIZES)}) IS DISTINCT FROM ({_all("n", SIZES)})),
                   bool_or(o.window_kind <> n.window_kind)
              FROM after n JOIN before o USING (id)
             WHERE ({_all("o", TRACKED)})
                   IS DISTINCT FROM ({_all("n", TRACKED)})$q$
           INTO ids, changes, resized, rewound;
    END IF;
    IF ids IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM economics_revise(ids, changes);
    IF NOT resized THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND rewound THEN
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
    IF rewound THEN
        EXECUTE $q$
            INSERT INTO economics_lines (envelope_id, resource_type, window_kind, base, is_named)
            SELECT n.id, c.resource_type, n.window_kind, c.base, true
              FROM after n CROSS JOIN LATERAL economics_ceilings(n) AS c(place, resource_type, base)
             WHERE NOT EXISTS (SELECT FROM economics_lines l WHERE l.envelope_id = n.id
                                  AND l.resource_type = c.resource_type AND l.qualifier = ''
                                  AND l.window_kind = n.window_kind)
             ORDER BY n.id, c.place
            ON CONFLICT (envelope_id, resource_type, qualifier, window_kind) DO NOTHING$q$;
    END IF;
    RETURN NULL;
END
$$;
"""
FOLLOWING = import_module("economics.migrations.0004_counting").FOLLOWING
BEFORE = FOLLOWING[
    FOLLOWING.index("CREATE FUNCTION economics_follow_envelopes") : FOLLOWING.index("CREATE TRIGGER envelope_opens")
].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):

    dependencies = [
        ('economics', '0018_returns_once_a_day'),
    ]

    operations = [
        migrations.RunSQL(FOLLOW, BEFORE),
    ]
