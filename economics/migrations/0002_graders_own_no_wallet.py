"""A wallet names its agent together with the agent's kind, so that a CHECK can refuse graders."""

from django.db import migrations


class Migration(migrations.Migration):
    """Composite foreign key, which Django cannot state in a model."""

    dependencies = [("economics", "0001_initial")]

    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE token_accounts ADD CONSTRAINT account_agent_has_this_kind
                FOREIGN KEY (agent_id, agent_kind) REFERENCES config_agent (id, kind)
            """,
            "ALTER TABLE token_accounts DROP CONSTRAINT account_agent_has_this_kind",
        )
    ]
