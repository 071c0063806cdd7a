"""Name a pause in the statement that finds it: looked at twice, one that ended in between was taken for another's."""

from django.db import migrations

BEFORE = """    SELECT p.reason INTO note FROM economics_pauses p
     WHERE p.ended_at IS NULL AND (p.agent_id IS NULL OR p.agent_id = in_agent) ORDER BY p.agent_id NULLS FIRST LIMIT 1;
    IF FOUND THEN
        refusal := CASE WHEN EXISTS (SELECT FROM economics_pauses WHERE ended_at IS NULL AND agent_id IS NULL)
                        THEN 'fleet_paused' ELSE 'agent_paused' END;
    ELSIF envelope.id IS NULL THEN"""
AFTER = """    SELECT p.reason, CASE WHEN p.agent_id IS NULL THEN 'fleet_paused' ELSE 'agent_paused' END INTO note, refusal
      FROM economics_pauses p
     WHERE p.ended_at IS NULL AND (p.agent_id IS NULL OR p.agent_id = in_agent) ORDER BY p.agent_id NULLS FIRST LIMIT 1;
    IF FOUND THEN
        NULL;
    ELSIF envelope.id IS NULL THEN"""

_REPLACE = """
DO $do$
DECLARE
    present text := pg_get_functiondef((SELECT oid FROM pg_proc WHERE proname = 'economics_reserve'));
BEGIN
    IF position($text${old}$text$ IN present) = 0 THEN
        RAISE EXCEPTION 'economics_reserve is not as it was: its look at pauses was not found';
    END IF;
    EXECUTE replace(present, $text${old}$text$, $text${new}$text$);
END $do$
"""


class Migration(migrations.Migration):
    dependencies = [("economics", "0032_statements_of_accounts")]

    operations = [
        migrations.RunSQL(_REPLACE.format(old=BEFORE, new=AFTER), _REPLACE.format(old=AFTER, new=BEFORE)),
    ]
