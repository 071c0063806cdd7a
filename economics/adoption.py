"""How usage and wallets that another service has already become ours."""

from collections.abc import Callable, Iterator
from typing import Final

from config.adoption.shapes import Shape, rows, shape
from config.adoption.words import ADOPTED, MARK, OURS, PART, Adopted, Places, Step
from economics import contract

MINT: Final = "mint"  # as in economics.ledger, which needs models that are not loaded yet

# No index takes a row of more than 2,700 bytes; two of ours hold some of these names twice.
_LENGTH: Final = " + ".join(
    f"coalesce(octet_length({{{column}}}), 0)"
    for column in ("entity_type", "entity_id", "resource_type", "model", "tier", "provider", "slot_id")
)
_SHORT: Final = f"({_LENGTH}) <= 1000"
_LAW: Final = (
    "economics_usage_fault({entity_type}, {entity_id}, {resource_type}, {amount}, {cost}, {created_at}, {corrects_id})"
)
_FAULT: Final = f"CASE WHEN {_SHORT} THEN {_LAW} ELSE 'name_too_long' END"
# What others write waits to be counted, so that they wait for no counter of ours; what we write is counted at once.
_COUNTS: Final = """
CREATE OR REPLACE FUNCTION {schema}.economy_counts_usage() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path TO {schema}, 'pg_temp' AS $counts$
DECLARE
    ours bigint[];
BEGIN
    INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                    amount, cost, unpriced_amount, events)
    SELECT i.created_at, i.entity_type, i.entity_id, i.resource_type, coalesce(i.tier, ''), coalesce(i.provider, ''),
           coalesce({agent_id}, ''), i.amount, coalesce(i.cost, 0), CASE WHEN i.cost IS NULL THEN i.amount ELSE 0 END, 1
      FROM inserted i WHERE i.{part} <> {ours} AND {fault} IS NULL;
    WITH counted AS (
        INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                        amount, cost, unpriced_amount, events)
        SELECT i.created_at, i.entity_type, i.entity_id, i.resource_type, coalesce(i.tier, ''),
               coalesce(i.provider, ''), coalesce({agent_id}, ''), i.amount, coalesce(i.cost, 0),
               CASE WHEN i.cost IS NULL THEN i.amount ELSE 0 END, 1
          FROM inserted i WHERE i.{part} = {ours} AND {fault} IS NULL
        RETURNING id)
    SELECT array_agg(id) INTO ours FROM counted;
    IF ours IS NOT NULL THEN
        DELETE FROM economics_arrivals WHERE id = ANY(ours);
    END IF;
    RETURN NULL;
END
$counts$
"""
_PRICES: Final = """
CREATE OR REPLACE FUNCTION {schema}.economy_counts_prices() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path TO {schema}, 'pg_temp' AS $prices$
DECLARE
    ours bigint[];
BEGIN
    WITH counted AS (
        INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                        cost, unpriced_amount, events)
        SELECT i.created_at, i.entity_type, i.entity_id, i.resource_type, coalesce(i.tier, ''),
               coalesce(i.provider, ''), coalesce({agent_id}, ''), i.cost, -i.amount, 0
          FROM priced i JOIN unpriced o ON o.{key} = i.{key}
         WHERE o.cost IS NULL AND i.cost IS NOT NULL AND {fault} IS NULL AND {fault_before} IS NULL
           AND i.{part} = {ours}
        RETURNING id)
    SELECT array_agg(id) INTO ours FROM counted;
    IF ours IS NOT NULL THEN
        DELETE FROM economics_arrivals WHERE id = ANY(ours);
    END IF;
    INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                    cost, unpriced_amount, events)
    SELECT i.created_at, i.entity_type, i.entity_id, i.resource_type, coalesce(i.tier, ''), coalesce(i.provider, ''),
           coalesce({agent_id}, ''), i.cost, -i.amount, 0
      FROM priced i JOIN unpriced o ON o.{key} = i.{key}
     WHERE o.cost IS NULL AND i.cost IS NOT NULL AND {fault} IS NULL AND {fault_before} IS NULL
       AND i.{part} <> {ours};
    INSERT INTO economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider, agent_id,
                                    amount, cost, unpriced_amount, events)
    SELECT i.created_at, i.entity_type, i.entity_id, i.resource_type, coalesce(i.tier, ''), coalesce(i.provider, ''),
           coalesce({agent_id}, ''), i.amount, coalesce(i.cost, 0), CASE WHEN i.cost IS NULL THEN i.amount ELSE 0 END, 1
      FROM priced i LEFT JOIN unpriced o ON o.{key} = i.{key}  -- only a row that was not lawful gets another key
     WHERE {fault} IS NULL AND {fault_before} IS NOT NULL;
    RETURN NULL;
END
$prices$
"""
_STAYS: Final = """
CREATE OR REPLACE FUNCTION {schema}.economy_usage_stays_lawful() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    RAISE EXCEPTION 'law usage_stays_lawful: usage that was counted cannot be made such that it is not'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_stays_lawful', TABLE = TG_TABLE_NAME;
END
$stays$
"""
_TRIGGERS: Final = """
CREATE TRIGGER economy_part_is_given BEFORE INSERT ON {table} FOR EACH ROW
WHEN (new.{part} NOT IN ({adopted}, {ours})) EXECUTE FUNCTION {schema}.economy_gives_part();
CREATE TRIGGER economy_usage_is_counted AFTER INSERT ON {table} REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.economy_counts_usage();
CREATE TRIGGER economy_usage_price_is_counted AFTER UPDATE ON {table}
REFERENCING OLD TABLE AS unpriced NEW TABLE AS priced
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.economy_counts_prices();
CREATE TRIGGER zz_economy_usage_is_noted BEFORE UPDATE ON {table} FOR EACH ROW
WHEN (old.{part} = 0 AND {new} IS NULL AND ({old} IS NOT NULL OR old.cost IS NULL AND new.cost IS NOT NULL))
EXECUTE FUNCTION {schema}.economy_notes_changes();
CREATE TRIGGER zz_economy_usage_stays_lawful BEFORE UPDATE ON {table} FOR EACH ROW
WHEN ({old} IS NULL AND {new} IS NOT NULL) EXECUTE FUNCTION {schema}.economy_usage_stays_lawful()
"""


# A program that copies whole rows says whose they were; they would be counted twice, or not at all.
_GIVES: Final = """
CREATE OR REPLACE FUNCTION {schema}.economy_gives_part() RETURNS trigger LANGUAGE plpgsql AS $gives$
BEGIN
    NEW.{part} := {adopted};
    RETURN NEW;
END
$gives$
"""
# What was there before is summed up some time after the switch. What becomes of it meanwhile is counted at once: so the
# row notes that it is to enter the sums as it was at the switch, without its price, or not at all.
_PRICED_SINCE: Final = -1
_NOTES: Final = """
CREATE OR REPLACE FUNCTION {schema}.economy_notes_changes() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path TO {schema}, 'pg_temp' AS $notes$
BEGIN
    NEW.{part} := CASE WHEN {old} IS NULL THEN {priced_since} ELSE {adopted} END;
    RETURN NEW;
END
$notes$
"""


def _usage_triggers(places: Places) -> list[str]:
    """Return the statements that count what is written, and let the default of PART tell old rows from new."""

    def fault(row: str, template: str = _FAULT) -> str:
        of = f"{row}." if row else ""
        return template.format(**{column: f'{of}"{place}"' for column, place in places.columns.items()})

    words = {
        "schema": places.schema,
        "part": PART,
        "ours": OURS,
        "adopted": ADOPTED,
        "priced_since": _PRICED_SINCE,
        "key": f'"{places.columns["id"]}"',
        "agent_id": f'i."{places.columns["agent_id"]}"',
        "fault": fault("i"),
        "fault_before": fault("o"),
        "table": places.table,
        "old": fault("old"),
        "new": fault("new"),
    }
    return [
        _COUNTS.format(**words),
        _PRICES.format(**words),
        _STAYS.format(**words),
        _NOTES.format(**words),
        _GIVES.format(**words),
        # Conditions of triggers are evaluated as whoever writes, also where PUBLIC may run nothing by default.
        f"GRANT EXECUTE ON FUNCTION {places.schema}.economics_usage_fault TO PUBLIC",
        *(statement.strip().format(**words) for statement in _TRIGGERS.split(";")),
        f"ALTER TABLE {places.table} ALTER COLUMN {PART} SET DEFAULT {ADOPTED}",
        # Without them PostgreSQL takes one row in two hundred for ours, and goes through a million to find ten.
        f"CREATE STATISTICS {places.schema}.economy_usage_is_lawful ON ({fault('', _LAW)}) FROM {places.table}",
        f"CREATE STATISTICS {places.schema}.economy_usage_is_short ON ({fault('', _LENGTH)}) FROM {places.table}",
    ]


USAGE: Final = Adopted(
    contract.RESOURCE_USAGE,
    needs=("entity_type", "entity_id", "resource_type", "amount", "created_at"),
    lawful=f"{_SHORT} AND {_LAW} IS NULL",
    indexed=_SHORT,
    fault=_FAULT,
    replaced_triggers=("usage_is_counted", "usage_price_is_counted"),
    triggers=_usage_triggers,
    samples=tuple(
        {
            "entity_type": "'hypothesis'",
            "entity_id": "'rehearsal'",
            "resource_type": f"'{resource}'",
            "amount": amount,
            "cost": cost,
            "model": "''",
            "tier": "''",
            "provider": "''",
            "artifact_type": "''",
            "artifact_id": "''",
            "created_at": "now()",
        }
        for resource, amount, cost in (
            ("llm_tokens", "1", "NULL"),
            ("cpu_seconds", "0.000001", "0.000000000001"),
            ("storage_gb_hours", "0", "0"),
            ("api_calls", "-1", "-1"),
        )
    ),
)
# An owner who is there twice, or is nobody, owns nothing here until somebody says which is meant.
_ACCOUNT_FAULT: Final = """CASE
    WHEN b.owner_type IS NULL OR b.owner_id IS NULL OR b.owner_id = '' THEN 'no_owner'
    WHEN b.owner_type NOT IN ('quest', 'agent') THEN 'unknown_owner_type'
    WHEN length(b.owner_id) > 64 THEN 'owner_id_too_long'
    WHEN b.balance IS NULL THEN 'no_balance'
    WHEN b.balance < 0 THEN 'negative_balance'
    WHEN b.balance > 1e15 THEN 'balance_out_of_bounds'  -- the most that a policy may allow a wallet
    WHEN coalesce(b.held, 0) <> 0 THEN 'held_elsewhere'
    WHEN (b.owner_type, b.owner_id) IN (SELECT o.owner_type, o.owner_id FROM {table} o WHERE o.economy_part <> 2
                                         GROUP BY 1, 2 HAVING count(*) > 1)
        THEN 'owner_twice'
    WHEN (b.owner_type, b.owner_id) IN (SELECT o.owner_type, o.owner_id FROM {table} o WHERE o.economy_part = 2)
         AND (b.balance = 0 OR EXISTS (SELECT FROM {schema}.token_ledger l
                                        WHERE l.key = format('opening:%s:%s', b.owner_type, b.owner_id)))
        THEN 'opened_beside'
    WHEN (SELECT sum(o.balance) FROM {table} o WHERE o.balance BETWEEN 0 AND 1e15) > 9e18 THEN 'supply_out_of_bounds'
    WHEN b.owner_type = 'agent' AND NOT EXISTS (SELECT FROM {schema}.config_agent a WHERE a.id = b.owner_id)
        THEN 'unknown_agent'
    WHEN b.owner_type = 'agent' AND NOT EXISTS (SELECT FROM {schema}.config_agent a
                                                 WHERE a.id = b.owner_id AND a.kind IN ('worker', 'provider'))
        THEN 'agent_owns_no_wallet'
    END"""
ACCOUNTS: Final = Adopted(
    contract.TOKEN_ACCOUNTS,
    needs=("owner_type", "owner_id", "balance"),
    fault=_ACCOUNT_FAULT,
    reserved="owner_type = 'house'",
    samples=tuple(
        {"owner_type": f"'{owner_type}'", "owner_id": "'rehearsal'", "balance": balance, "held": "0"}
        for owner_type, balance in (("house", "-1"), ("quest", "0"), ("agent", "0"))
    ),
)
ADOPTED_TABLES: Final[tuple[Adopted, ...]] = (USAGE, ACCOUNTS)
_AT_ONCE: Final = 5_000  # sums entered in one transaction
COUNTED: Final = "Rows from before the switch are counted."


def later_steps(schema: str, legacy: str) -> Iterator[Step]:
    """Yield what is still to be done once the tables are taken over: count what was used before, open the wallets."""
    view, theirs = (shape(place, contract.RESOURCE_USAGE.name) for place in (schema, legacy))
    counts = theirs is not None and not _is_counted(view)
    if theirs is not None and counts:
        yield Step(
            "resource_usage: old rows counted",
            "sums up what was used before the switch, by day and entity; writers go on",
            "SHARE UPDATE EXCLUSIVE: nobody who reads or writes waits",
            (f"ANALYZE {theirs.table}", *_counting(schema)),
        )
    if counts or (view is not None and _waiting(schema)):
        yield Step(
            "resource_usage: sums entered",
            "enters what was summed up into the days and counters; from now on the clock does so every second",
            "none",
            run=_drain,
            shown=("DELETE FROM economics_arrivals WHERE id IN (…); its trigger counts what goes",),
        )
    wallets = shape(legacy, contract.TOKEN_ACCOUNTS.name)
    if wallets is not None and _waiting_wallets(schema, wallets):
        yield Step(
            "token_accounts: wallets opened",
            "makes what each wallet holds an opening entry of our ledger, minted with a reason",
            "SHARE ROW EXCLUSIVE, for an instant",
            tuple(_opening(schema, wallets)),
        )


def _waiting(schema: str) -> bool:
    if rows("SELECT to_regclass(%s) IS NULL", f"{schema}.economics_arrivals")[0][0]:
        return True
    return bool(rows(f"SELECT EXISTS (SELECT FROM {schema}.economics_arrivals)")[0][0])  # noqa: S608 - ours


def _drain(say: Callable[[str], None]) -> None:
    from economics import arrivals  # noqa: PLC0415 - models are not loaded yet when the app asks for this module

    entered, waiting = 0, arrivals.waiting(most=1_000_000_000)  # others write on: their rows are for the clock
    while entered < waiting and (counted := arrivals.drain(_AT_ONCE)):
        entered += counted
        say(f"{entered:,} sums entered")


def unknown_agents(schema: str, legacy: str) -> list[str]:
    """Return the owners of wallets that are said to be agents and are none here, by names that an agent may have."""
    theirs = shape(legacy, contract.TOKEN_ACCOUNTS.name)
    if theirs is None or PART not in theirs.columns:
        return []
    found = rows(
        f"SELECT DISTINCT b.owner_id FROM {theirs.table} b "  # noqa: S608 - names of the catalogue
        f"WHERE b.{PART} = 0 AND ({_fault_of(schema, theirs)}) = 'unknown_agent' AND b.owner_id ~ '^[A-Za-z0-9_-]+$' "
        f"ORDER BY 1"
    )
    return [owner for (owner,) in found]


def _is_counted(view: Shape | None) -> bool:
    if view is None or view.kind != "v":
        return False
    return bool(rows("SELECT obj_description(%s, 'pg_class') = %s", view.oid, COUNTED)[0][0])


def _counting(schema: str) -> list[str]:
    return [
        f"""INSERT INTO {schema}.economics_arrivals (created_at, entity_type, entity_id, resource_type, tier, provider,
                   agent_id, amount, cost, unpriced_amount, events)
            SELECT {schema}.economics_first_moment(u.day, u.zone), entity_type, entity_id, resource_type, tier,
                   provider, agent_id, sum(amount), sum(coalesce(cost, 0)),
                   sum(CASE WHEN cost IS NULL THEN amount ELSE 0 END), count(*)
              FROM (SELECT (created_at AT TIME ZONE p.zone)::date AS day, p.zone, entity_type, entity_id, resource_type,
                           coalesce(tier, '') AS tier, coalesce(provider, '') AS provider,
                           coalesce(agent_id, '') AS agent_id, round(amount, 6) AS amount,
                           CASE WHEN {PART} = 0 THEN round(cost, 12) END AS cost
                      FROM {schema}.resource_usage CROSS JOIN {schema}.economics_policy p
                     WHERE p.id = 1 AND {PART} IN (0, {_PRICED_SINCE})) AS u
             GROUP BY day, zone, entity_type, entity_id, resource_type, tier, provider, agent_id""",  # noqa: S608 - ours
        f"COMMENT ON VIEW {schema}.resource_usage IS '{COUNTED}'",
    ]


def _fault_of(schema: str, theirs: Shape) -> str:
    return ACCOUNTS.fault.format(table=theirs.table, schema=schema)


def _waiting_wallets(schema: str, theirs: Shape) -> bool:
    if PART not in theirs.columns:
        return bool(rows(f"SELECT EXISTS (SELECT FROM {theirs.table})")[0][0])  # noqa: S608 - names of the catalogue
    condition = f"b.{PART} = 0 AND ({_fault_of(schema, theirs)}) IS NULL"
    return bool(rows(f"SELECT EXISTS (SELECT FROM {theirs.table} b WHERE {condition})")[0][0])  # noqa: S608 - as above


def _place(column: str, theirs: Shape) -> str:
    """Return what a column of ours is called in their table, also before it is there."""
    there = theirs.columns.get(column)
    return column if there is None or there.comment == MARK else f"economy_{column}"


def _opening(schema: str, theirs: Shape) -> Iterator[str]:
    """Yield the statements: no balance changes, for the transfers are written as if they had made it.

    Σ of the opening entries leaves the mint, so that all balances still sum to 0. An owner who has a wallet here
    already gets in that one what theirs holds.
    """
    key = "id" if theirs.columns["id"].base in {"smallint", "integer", "bigint"} else "economy_id"
    agent, kind = (_place(column, theirs) for column in ("agent_id", "agent_kind"))
    numbered = f"{key} = coalesce(b.{key}, nextval('{schema}.token_accounts_key')), " if key != "id" else ""
    yield f"LOCK TABLE {theirs.table} IN SHARE ROW EXCLUSIVE MODE"
    yield "SET LOCAL session_replication_role = replica"
    yield (
        f"CREATE TEMPORARY TABLE economy_opened ON COMMIT DROP AS "  # noqa: S608 - names of the catalogue
        f"SELECT b.id AS theirs, (SELECT w.{key} FROM {theirs.table} w WHERE w.{PART} = {OURS} "
        f"AND w.owner_type = b.owner_type AND w.owner_id = b.owner_id) AS beside "
        f"FROM {theirs.table} b WHERE b.{PART} = 0 AND ({_fault_of(schema, theirs)}) IS NULL"
    )
    yield (
        f"UPDATE {theirs.table} b SET {numbered}{PART} = {ADOPTED}, "  # noqa: S608 - as above
        f"{agent} = CASE WHEN b.owner_type = 'agent' THEN b.owner_id END, "
        f"{kind} = (SELECT a.kind FROM {schema}.config_agent a WHERE b.owner_type = 'agent' AND a.id = b.owner_id) "
        f"FROM economy_opened o WHERE o.theirs = b.id AND o.beside IS NULL"
    )
    yield f"""INSERT INTO {schema}.token_ledger (debit_account_id, credit_account_id, amount, reason, key, memo)
        SELECT m.{key}, coalesce(o.beside, b.{key}), b.balance, 'opening',
               format('opening:%s:%s', b.owner_type, b.owner_id), 'What it held when the books were opened.'
          FROM {theirs.table} b JOIN economy_opened o ON o.theirs = b.id
          JOIN {theirs.table} m ON m.{PART} = {OURS} AND m.owner_type = 'house' AND m.owner_id = '{MINT}'
         WHERE b.balance > 0 ORDER BY b.{key}"""  # noqa: S608 - as above
    yield (
        f"UPDATE {theirs.table} w SET balance = w.balance + b.balance "  # noqa: S608 - as above
        f"FROM {theirs.table} b JOIN economy_opened o ON o.theirs = b.id WHERE w.{key} = o.beside"
    )
    yield f"""UPDATE {theirs.table} m SET balance = m.balance - (
            SELECT coalesce(sum(b.balance), 0) FROM {theirs.table} b JOIN economy_opened o ON o.theirs = b.id)
         WHERE m.{PART} = {OURS} AND m.owner_type = 'house' AND m.owner_id = '{MINT}'"""  # noqa: S608 - as above
