"""The steps of operations. Each may be done again after a crash, from its beginning, and then does only what is left.

A step that another worker has taken over meanwhile can go on for a moment without knowing. It can do no harm: it writes
to the catalog under its fence, and to files that bear its fence in their names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.provisioning.steps.activate import activate
from haversack_server.provisioning.steps.build_indexes import build_indexes
from haversack_server.provisioning.steps.build_model import build_model
from haversack_server.provisioning.steps.create_staging import create_staging
from haversack_server.provisioning.steps.deactivate import deactivate
from haversack_server.provisioning.steps.delete_models import delete_models
from haversack_server.provisioning.steps.delete_staging import delete_staging
from haversack_server.provisioning.steps.delete_work_items import delete_work_items
from haversack_server.provisioning.steps.replicate_data import replicate_data
from haversack_server.provisioning.steps.replicate_metadata import replicate_metadata
from haversack_server.provisioning.steps.validate import validate

Function: TypeAlias = Callable[[Context], Awaitable[None]]

FUNCTIONS: Mapping[Step, Function] = MappingProxyType(
    {
        Step.VALIDATE: validate,
        Step.CREATE_STAGING: create_staging,
        Step.REPLICATE_METADATA: replicate_metadata,
        Step.BUILD_MODEL: build_model,
        Step.REPLICATE_DATA: replicate_data,
        Step.BUILD_INDEXES: build_indexes,
        Step.ACTIVATE: activate,
        Step.DEACTIVATE: deactivate,
        Step.DELETE_STAGING: delete_staging,
        Step.DELETE_WORK_ITEMS: delete_work_items,
        Step.DELETE_MODELS: delete_models,
    }
)
"""What each step does."""
