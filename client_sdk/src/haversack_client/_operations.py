"""What the session tells the store to do. The operations of one event are carried out in one transaction, in order."""

from collections.abc import Set
from dataclasses import dataclass
from typing import TypeAlias

from haversack_client._held import Checkpoint, Position
from haversack_client._model import CarriedModel
from haversack_client._roaring import Bitmap
from haversack_client._rows import Batch
from haversack_client._stage import Stage


@dataclass(frozen=True, slots=True)
class AdoptModel:
    """Make the tables what this model says. Tables and columns that stay keep their rows."""

    model: CarriedModel


@dataclass(frozen=True, slots=True)
class StartEpoch:
    """Delete every row: ordinals of another staging database mean nothing in this one."""

    epoch: bytes


@dataclass(frozen=True, slots=True)
class ExpectRows:
    """Many rows are coming. A table that they more than double gives up its id index until `BuildIndexes`."""

    entity: int
    rows: int


@dataclass(frozen=True, slots=True)
class RemoveRows:
    """Delete the rows with these ordinals that are held; all rows if `ordinals` is None."""

    entity: int
    ordinals: Bitmap | None


@dataclass(frozen=True, slots=True)
class PutRows:
    """Insert or replace rows."""

    entity: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class BuildIndexes:
    """Index the ids of these entities, where the index is missing."""

    entities: Set[int]


@dataclass(frozen=True, slots=True)
class ReachStage:
    """Remember how far the device has come."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class RecordCheckpoint:
    """Remember that the device equalled its view."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class KeepCookie:
    """Remember what to present next time, empty meaning nothing, and where the device is now, if it has moved."""

    cookie: bytes
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Recount:
    """Make counts and digests anew from the rows, as the full check of this number wants."""

    number: int


Operation: TypeAlias = (
    AdoptModel
    | StartEpoch
    | ExpectRows
    | RemoveRows
    | PutRows
    | BuildIndexes
    | ReachStage
    | RecordCheckpoint
    | KeepCookie
    | Recount
)
