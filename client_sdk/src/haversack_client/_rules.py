"""The model's rules for a write, checked before it is accepted, with the reasons that the server gives.

They are the server's rules as far as a device can know them: what a certain row's owner allows, and what other people
have written meanwhile, the server says at upload.
"""

from collections.abc import Callable, Iterator, Mapping

from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2

from haversack_client._errors import WriteRefusedError
from haversack_client._model import Attribute, CarriedModel, Table
from haversack_client._outbox import Kind
from haversack_client._rows import SqlValue
from haversack_client._values import stored, stored_text_id

Row = Mapping[str, SqlValue]

LOOKUPS = frozenset(
    {
        model_pb2.ATTRIBUTE_TYPE_LOOKUP,
        model_pb2.ATTRIBUTE_TYPE_OWNER,
        model_pb2.ATTRIBUTE_TYPE_CUSTOMER,
    }
)

_RIGHTS = {
    Kind.CREATE: (sync_pb2.ROW_RIGHT_CREATE, "make rows"),
    Kind.UPDATE: (sync_pb2.ROW_RIGHT_WRITE, "change rows"),
    Kind.DELETE: (sync_pb2.ROW_RIGHT_DELETE, "delete rows"),
}


def require_right(table: Table, kind: Kind) -> None:
    """Raises WriteRefusedError unless the user may do this to some row of the entity."""
    right, what = _RIGHTS[kind]
    _require(table, right, what)


def stored_values(model: CarriedModel, table: Table, kind: Kind, values: Mapping[str, object]) -> dict[str, SqlValue]:
    """Values as columns hold them, of a row that is made or changed; a lookup's entity may be said by its name.

    Raises WriteRefusedError if the model has no such column, or if a value breaks a rule.
    """
    companions = {attribute.companion: attribute for attribute in table.attributes.values() if attribute.companion}
    found: dict[str, SqlValue] = {}
    for name, value in values.items():
        if name in companions:
            found[name] = _entity_number(model, table, name, value)
        else:
            attribute = table.attributes.get(name)
            if attribute is None or name == table.primary_id:
                raise WriteRefusedError(
                    "ATTRIBUTE_UNKNOWN",
                    f"{table.name} has no attribute {name!r} that can be written on this device; it may not be carried",
                    [name],
                )
            found[name] = _stored(table, attribute, kind, value, has_uuids=_has_uuids(model, attribute, values))
    _pair_lookups(table, found, {companion: attribute.name for companion, attribute in companions.items()})
    return found


def with_defaults(table: Table, kind: Kind, values: Row) -> dict[str, SqlValue]:
    """Values with the state and status that the server would set, so that rows are here at once what they are there.

    A new row without a state gets the first; one that comes into a state without a status gets what goes with it.
    """
    state, status = (table.attributes.get(name) for name in ("statecode", "statuscode"))
    found = dict(values)
    if state and _may_default(state, kind, found) and kind is Kind.CREATE and _is_state(state):
        found[state.name] = min(state.options, default=0)
    chosen = found.get(state.name) if state else None
    if status and _may_default(status, kind, found) and isinstance(chosen, int):
        default = status.default_statuses.get(chosen, min(status.options, default=None))
        if default is not None:
            found[status.name] = default
    return found


def _may_default(attribute: Attribute, kind: Kind, values: Row) -> bool:
    allowed = attribute.creatable if kind is Kind.CREATE else attribute.updatable
    return allowed and values.get(attribute.name) is None and (kind is Kind.CREATE or attribute.name not in values)


def _is_state(attribute: Attribute) -> bool:
    return attribute.type == model_pb2.ATTRIBUTE_TYPE_STATE


def _is_filled_in(table: Table, attribute: Attribute) -> bool:
    """Whether the server gives it to a new row: what devices cannot set, the first state, and the row's id."""
    is_state = attribute.type in (model_pb2.ATTRIBUTE_TYPE_STATE, model_pb2.ATTRIBUTE_TYPE_STATUS)
    return not attribute.creatable or is_state or attribute.name == table.primary_id


def check_row(table: Table, kind: Kind, changed: Row, row: Row) -> None:
    """Checks what a write makes of a row: required values, and the rights that its lookups need.

    `changed` are the columns that are written, `row` is how the row looks then. Raises WriteRefusedError.
    """
    missing = [
        attribute.name
        for attribute in table.attributes.values()
        if attribute.required
        and row.get(attribute.name) is None
        and (kind is Kind.CREATE or attribute.name in changed)
        and not (kind is Kind.CREATE and _is_filled_in(table, attribute))
        and attribute.type != model_pb2.ATTRIBUTE_TYPE_OWNER
    ]
    if missing:
        raise WriteRefusedError("VALUE_INVALID", f"{table.name} must have {', '.join(missing)}; give a value", missing)
    for attribute in table.attributes.values():
        if changed.get(attribute.name) is None or attribute.type not in LOOKUPS:
            continue
        if attribute.type == model_pb2.ATTRIBUTE_TYPE_OWNER:
            if kind is Kind.UPDATE:
                _require(table, sync_pb2.ROW_RIGHT_ASSIGN, "give rows another owner")
        else:
            _require(table, sync_pb2.ROW_RIGHT_APPEND, "let rows point at others")


def lookups(table: Table, row: Row, entity_number: Callable[[str], int | None]) -> Iterator[tuple[int, str]]:
    """Rows that a row's lookups point at, as (entity number, id), where the entity is known here."""
    for attribute in table.attributes.values():
        row_id = row.get(attribute.name)
        if attribute.type not in LOOKUPS or not isinstance(row_id, str):
            continue
        entity = row.get(attribute.companion) if attribute.companion else entity_number(attribute.target)
        if isinstance(entity, int):
            yield entity, row_id


def require_append_to(table: Table) -> None:
    """Raises WriteRefusedError unless the user may let rows point at rows of this entity."""
    _require(table, sync_pb2.ROW_RIGHT_APPEND_TO, "let other rows point at rows")


def _require(table: Table, right: int, what: str) -> None:
    if right not in table.rights:
        raise WriteRefusedError(
            "WRITE_FORBIDDEN", f"you may not {what} of {table.name}; ask an administrator for the privilege"
        )


def _has_uuids(model: CarriedModel, attribute: Attribute, values: Mapping[str, object]) -> bool:
    """Whether a lookup points at rows whose ids are UUIDs, as far as the device carries them."""
    stated = values.get(attribute.companion) if attribute.companion else attribute.target
    if isinstance(stated, int):
        target = model.tables.get(stated)
    else:
        target = model.table(stated) if isinstance(stated, str) else None
    return target is None or target.has_uuids


def _stored(table: Table, attribute: Attribute, kind: Kind, value: object, *, has_uuids: bool) -> SqlValue:
    allowed = attribute.creatable if kind is Kind.CREATE else attribute.updatable
    says_nothing = kind is Kind.CREATE and value is None
    if not allowed and not says_nothing:
        what = "set in a new row" if kind is Kind.CREATE else "changed"
        raise WriteRefusedError(
            "VALUE_INVALID",
            f"{attribute.name} of {table.name} cannot be {what} by devices; leave it out",
            [attribute.name],
        )
    try:
        is_text_id = attribute.type in LOOKUPS and not has_uuids and value is not None
        found = stored_text_id(value) if is_text_id else stored(attribute.type, value)
    except ValueError as error:
        raise WriteRefusedError(
            "VALUE_INVALID", f"{attribute.name} of {table.name} {error}", [attribute.name]
        ) from error
    _check_length(table, attribute, found)
    _check_options(table, attribute, value, found)
    return found


def _check_length(table: Table, attribute: Attribute, found: SqlValue) -> None:
    if not attribute.max_length or not isinstance(found, str):
        return
    length = len(found.encode("utf-16-le")) // 2
    if length > attribute.max_length:
        raise WriteRefusedError(
            "VALUE_INVALID",
            f"{attribute.name} of {table.name} has {length} characters; at most {attribute.max_length} fit",
            [attribute.name],
        )


def _check_options(table: Table, attribute: Attribute, value: object, found: SqlValue) -> None:
    if not attribute.options or found is None:
        return
    chosen = {found} if isinstance(found, int) else set(map(int, str(found).strip("[]").split(",")))
    if not chosen <= attribute.options:
        allowed = ", ".join(map(str, sorted(attribute.options)))
        raise WriteRefusedError(
            "VALUE_INVALID",
            f"{attribute.name} of {table.name} has no choice {value!r}; it may be {allowed}",
            [attribute.name],
        )


def _entity_number(model: CarriedModel, table: Table, name: str, value: object) -> SqlValue:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    target = model.table(value) if isinstance(value, str) else None
    if target is None:
        raise WriteRefusedError(
            "ENTITY_UNKNOWN", f"{name} of {table.name} must be an entity on this device, by name or number", [name]
        )
    return target.entity


def _pair_lookups(table: Table, found: dict[str, SqlValue], companions: Mapping[str, str]) -> None:
    """A lookup and its entity come and go together."""
    for companion, name in companions.items():
        if name in found and found[name] is None:
            found[companion] = None
        elif (name in found) != (companion in found):
            missing = companion if name in found else name
            raise WriteRefusedError(
                "VALUE_INVALID", f"{name} of {table.name} is two values; give {missing} too", [missing]
            )
