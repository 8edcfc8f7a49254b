"""AppService."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterator
from typing import Any

import grpc
from haversack.admin.v1 import apps_pb2, apps_pb2_grpc
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.admin._caller import caller
from haversack_server.breaches import sentences
from haversack_server.catalog import Catalog, apps, organizations, profiles, publishes
from haversack_server.errors import RequestInvalid

NAME_LENGTH_MAX = 255
PROFILES_MAX = 100

_Context = grpc.aio.ServicerContext[Any, Any]


class AppService(apps_pb2_grpc.AppServiceServicer):
    """Writes and shows applications; the next publish makes changes count."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def SaveApp(self, request: apps_pb2.SaveAppRequest, context: _Context) -> apps_pb2.SaveAppResponse:
        """Writes an application."""
        async with self._catalog.exclusive(request.organization), self._catalog.begin() as connection:
            await organizations.find(connection, request.organization, for_update=True)
            known = await profiles.all_by_name(connection, request.organization)
            found = list(_breaches(request.app, known))
            if found:
                raise RequestInvalid(sentences(found))
            at_us = time.time_ns() // 1_000
            await apps.put(connection, request.organization, request.app, author=caller(), at_us=at_us)
            summary = (await _summaries(connection, request.organization))[request.app.name]
        return apps_pb2.SaveAppResponse(summary=summary)

    async def GetApp(self, request: apps_pb2.GetAppRequest, context: _Context) -> apps_pb2.GetAppResponse:
        """Shows an application."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, request.organization)
            await apps.find(connection, request.organization, request.name)
            summary = (await _summaries(connection, request.organization))[request.name]
        return apps_pb2.GetAppResponse(summary=summary)

    async def ListApps(self, request: apps_pb2.ListAppsRequest, context: _Context) -> apps_pb2.ListAppsResponse:
        """Lists every application."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, request.organization)
            listed = await _summaries(connection, request.organization)
        return apps_pb2.ListAppsResponse(apps=listed.values())

    async def DeleteApp(self, request: apps_pb2.DeleteAppRequest, context: _Context) -> apps_pb2.DeleteAppResponse:
        """Deletes an application."""
        async with self._catalog.exclusive(request.organization), self._catalog.begin() as connection:
            await organizations.find(connection, request.organization, for_update=True)
            await apps.find(connection, request.organization, request.name)
            await apps.remove(connection, request.organization, request.name)
        return apps_pb2.DeleteAppResponse()


def _breaches(app: model_pb2.App, known: Container[str]) -> Iterator[str]:
    """Yields a sentence for every rule that an application breaks."""
    if not app.name.strip() or len(app.name) > NAME_LENGTH_MAX or not app.name.isprintable():
        yield f"the name must be 1 to {NAME_LENGTH_MAX} printable characters"
    if len(app.display_name) > NAME_LENGTH_MAX:
        yield f"the name for people has {len(app.display_name)} characters; at most {NAME_LENGTH_MAX} are allowed"
    if not app.profiles:
        yield "it has no profile; name at least one, so that its users have something to follow"
    if len(app.profiles) > PROFILES_MAX:
        yield f"it has {len(app.profiles):,} profiles; at most {PROFILES_MAX} are allowed"
    for name, count in Counter(app.profiles).items():
        if count > 1:
            yield f"profile {name} is there twice"
        if name not in known:
            yield f"there is no profile {name!r}; save it first, or see `haversack profile list`"


async def _summaries(connection: AsyncConnection, organization: str) -> dict[str, apps_pb2.AppSummary]:
    """Returns the summary of every application of an organization, in order of the names."""
    followed = await profiles.published(connection, organization)
    model = await publishes.latest_model(connection, organization) or model_pb2.Model()
    published = {it.name: it for it in model.apps}
    found = {}
    for name, app in (await apps.all_by_name(connection, organization)).items():
        missing = [it for it in app.profiles if it not in followed]
        expected = model_pb2.App()
        expected.CopyFrom(app)
        del expected.profiles[:]
        expected.profiles.extend(it for it in app.profiles if it in followed)
        found[name] = apps_pb2.AppSummary(
            app=app, changed=published.get(name) != expected, unpublished_profiles=missing
        )
    return found
