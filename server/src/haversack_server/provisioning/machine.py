"""The machine of provisioning, whole: in each state, what each event leads to. What is not in the table is illegal.

The code, the messages that say what would be legal, the rows of the schema's `provisioning_transition` (which refuse
every other step, whoever tries it) and the diagram in docs/provisioning.md are made of it, or tested against it.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from haversack_server.errors import TransitionIllegal


class State(StrEnum):
    """Where an organization stands."""

    NOT_PROVISIONED = "NOT_PROVISIONED"
    PROVISIONING = "PROVISIONING"
    STOPPING = "STOPPING"
    PROVISIONING_FAILED = "PROVISIONING_FAILED"
    PROVISIONED = "PROVISIONED"
    DEPROVISIONING = "DEPROVISIONING"
    DEPROVISIONING_FAILED = "DEPROVISIONING_FAILED"


class Event(StrEnum):
    """What moves it: an administrator's request, or what came of the steps."""

    START = "START"
    STOP = "STOP"
    RETRY = "RETRY"
    DEPROVISION = "DEPROVISION"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"


class Step(StrEnum):
    """The steps of operations, each a function in `provisioning.steps`; their names are those of the contract."""

    VALIDATE = "VALIDATE"
    CREATE_STAGING = "CREATE_STAGING"
    REPLICATE_METADATA = "REPLICATE_METADATA"
    BUILD_MODEL = "BUILD_MODEL"
    REPLICATE_DATA = "REPLICATE_DATA"
    BUILD_INDEXES = "BUILD_INDEXES"
    ACTIVATE = "ACTIVATE"
    DEACTIVATE = "DEACTIVATE"
    DELETE_STAGING = "DELETE_STAGING"
    DELETE_WORK_ITEMS = "DELETE_WORK_ITEMS"
    DELETE_MODELS = "DELETE_MODELS"


INITIAL = State.NOT_PROVISIONED

REQUESTS = (Event.START, Event.STOP, Event.RETRY, Event.DEPROVISION)
"""The events that administrators cause."""

_NP, _P, _S, _PF = State.NOT_PROVISIONED, State.PROVISIONING, State.STOPPING, State.PROVISIONING_FAILED
_PD, _D, _DF = State.PROVISIONED, State.DEPROVISIONING, State.DEPROVISIONING_FAILED

# fmt: off
_TABLE = {
    #      START        STOP         RETRY        DEPROVISION        SUCCEED            FAIL
    _NP:  {Event.START: _P},
    _P:   {             Event.STOP: _S,                              Event.SUCCEED: _PD, Event.FAIL: _PF},
    _S:   {                                                          Event.SUCCEED: _NP, Event.FAIL: _PF},
    _PF:  {             Event.STOP: _S, Event.RETRY: _P},
    _PD:  {                                      Event.DEPROVISION: _D},
    _D:   {                                                          Event.SUCCEED: _NP, Event.FAIL: _DF},
    _DF:  {                             Event.RETRY: _D},
}
# fmt: on

TRANSITIONS = MappingProxyType(
    {(state, event): target for state, events in _TABLE.items() for event, target in events.items()}
)
"""The table: (state, event) to the next state."""

SETUP = (
    Step.VALIDATE,
    Step.CREATE_STAGING,
    Step.REPLICATE_METADATA,
    Step.BUILD_MODEL,
    Step.REPLICATE_DATA,
    Step.BUILD_INDEXES,
    Step.ACTIVATE,
)
"""What is done in PROVISIONING."""

TEARDOWN = (Step.DEACTIVATE, Step.DELETE_STAGING, Step.DELETE_WORK_ITEMS, Step.DELETE_MODELS)
"""What is done in STOPPING and in DEPROVISIONING."""

STEPS = MappingProxyType({State.PROVISIONING: SETUP, State.STOPPING: TEARDOWN, State.DEPROVISIONING: TEARDOWN})
"""The states in which there is work to do, and which."""

_IN_WORDS = {
    Event.START: "provision it",
    Event.STOP: "stop it",
    Event.RETRY: "retry it",
    Event.DEPROVISION: "de-provision it",
}


def next_state(state: State, event: Event) -> State:
    """Returns what an event leads to; raises TransitionIllegal, which says what would be legal."""
    target = TRANSITIONS.get((state, event))
    if target is None:
        raise TransitionIllegal(f"the organization is {state}, so nobody can {_IN_WORDS[event]}; {advice(state)}")
    return target


def legal(state: State) -> list[Event]:
    """Returns what administrators can do in a state."""
    return [event for event in REQUESTS if (state, event) in TRANSITIONS]


def advice(state: State) -> str:
    """Says what administrators can do in a state, as a part of a sentence."""
    requests = legal(state)
    if not requests:
        return "nothing can be asked of it until its steps are done or have failed; `haversack org status` shows them"
    return "what is legal now: " + ", or ".join(f"{_IN_WORDS[event]} ({event})" for event in requests)


def diagram() -> str:
    """Returns the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    lines += [f"    {state} --> {target}: {event}" for (state, event), target in TRANSITIONS.items()]
    return "\n".join(lines)


def table() -> str:
    """Returns the table as Markdown."""
    head = ["in state", *(str(event) for event in Event)]
    rows = [
        [str(state), *(str(TRANSITIONS.get((state, event), "-")) for event in Event)] for state in State
    ]  # one row a state, one column an event
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
