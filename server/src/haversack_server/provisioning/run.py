"""One worker's run of one operation: step after step, until it is over, fails, or is another worker's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import operations, provisioning
from haversack_server.catalog.leases import FREE, HEARTBEAT_SECONDS, LeaseLost, Leases
from haversack_server.catalog.provisioning import Standing
from haversack_server.errors import CatalogUnavailable, HaversackError, InternalFault
from haversack_server.provisioning.context import Context, Interrupted, StopAsked
from haversack_server.provisioning.machine import STEPS, TEARDOWN, Event, State, Step, next_state
from haversack_server.provisioning.steps import Function

ATTEMPTS_MAX = 10
"""How many workers may die at one step, one after the other, before the operation counts as failed."""

_log = structlog.get_logger()


class Run:
    """Carries an operation out as far as this worker can.

    Cancelling it is what a crash would be: nothing is written, and the lease stays until it ends.
    """

    def __init__(self, context: Context, leases: Leases, functions: Mapping[Step, Function]) -> None:
        self._context = context
        self._functions = functions
        self._leases = leases
        self._nudged = asyncio.Event()

    @property
    def organization(self) -> str:
        """Name of the organization that it is about."""
        return self._context.organization

    def nudge(self) -> None:
        """Something was asked of the operation: look now, not at the next heartbeat."""
        self._nudged.set()

    def interrupt(self) -> None:
        """Gives the operation back at the next safe point."""
        self._context.interrupt()

    async def finish(self) -> None:
        """Runs steps until there is nothing left for this worker to do."""
        beating = asyncio.create_task(self._beat())
        try:
            while await self._go_on():
                pass
        except LeaseLost as error:
            _log.warning("operation lost", organization=self.organization, cause=str(error))
        except CatalogUnavailable as error:
            # Nothing can be recorded, not even this: the lease ends by itself, and somebody tries again.
            _log.error("operation abandoned", organization=self.organization, cause=str(error))
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            await self._context.close()

    async def _go_on(self) -> bool:
        """Does the next step; returns whether there may be another one."""
        step = await self._next()
        if step is None:
            return False
        try:
            self._context.safe_point()
            await self._functions[step](self._context)
            await self._end(step)
        except StopAsked:
            pass  # what comes next is the clean-up
        except Interrupted:
            await self._give_back()
            return False
        except (LeaseLost, CatalogUnavailable):
            raise
        except HaversackError as error:
            return await self._fail(step, error)
        except Exception as error:
            _log.exception("step failed by a bug", organization=self.organization, step=step)
            return await self._fail(
                step, InternalFault(f"{type(error).__name__}: {error}; the server's log has the cause")
            )
        return True

    async def _next(self) -> Step | None:
        """Begins the first step that is not done; if all are, the operation is over, and None is returned."""
        context = self._context
        async with context.transaction() as connection:
            standing = await provisioning.find(connection, context.organization, for_update=True)
            plan = STEPS[State(standing.state)]
            context.tears_down = plan is TEARDOWN
            done = await operations.steps(connection, context.operation.id)
            for step in plan:
                if step not in done or done[step].ended_at_us is None:
                    now_us = await context.now_us(connection)
                    await operations.begin_step(connection, context.operation.id, step, at_us=now_us)
                    break
            else:
                await self._succeed(connection, standing)
                return None
        if context.lease.attempt > ATTEMPTS_MAX:
            await self._fail(
                step, InternalFault(f"{ATTEMPTS_MAX} workers have died at this step; the servers' logs may say why")
            )
            return None
        return step

    async def _succeed(self, connection: AsyncConnection, standing: Standing) -> None:
        context = self._context
        now_us = await context.now_us(connection)
        end = "STOPPED" if standing.state == State.STOPPING else "DONE"
        await self._leases.complete(connection, context.lease, state=end, ended_at_us=now_us)
        await self._advance(connection, standing, Event.SUCCEED, now_us)
        await context.say(connection, "stopped and cleaned up" if end == "STOPPED" else "done")

    async def _end(self, step: Step) -> None:
        context = self._context
        async with context.transaction() as connection:
            now_us = await context.now_us(connection)
            await operations.change_step(connection, context.operation.id, step, ended_at_us=now_us, seconds_left=None)
            await self._leases.write(connection, context.lease, attempt=0)
        context.lease = replace(context.lease, attempt=0)

    async def _fail(self, step: Step, error: HaversackError) -> bool:
        """Records why a step failed; returns whether to go on all the same: it was told to stop meanwhile."""
        context = self._context
        async with context.transaction() as connection:
            standing = await provisioning.find(connection, context.organization, for_update=True)
            if step not in STEPS[State(standing.state)]:
                return True
            now_us = await context.now_us(connection)
            await context.say(connection, f"failed: {error}", step=step)
            await self._leases.fail(
                connection,
                context.lease,
                state="FAILED",
                failed_step=step,
                failure_reason=error.reason,
                failure_message=str(error),
                failed_at_us=now_us,
            )
            await self._advance(connection, standing, Event.FAIL, now_us)
        _log.error("operation failed", organization=self.organization, step=step, reason=error.reason, cause=str(error))
        return False

    async def _advance(self, connection: AsyncConnection, standing: Standing, event: Event, now_us: int) -> None:
        target = next_state(State(standing.state), event)
        await provisioning.advance(
            connection, standing, event=event, state=target, who=self._context.lease.owner, at_us=now_us
        )

    async def _give_back(self) -> None:
        """Lets another worker go on at once."""
        async with self._context.transaction() as connection:
            await self._context.say(connection, "given back: the server is stopping")
            await self._leases.write(connection, self._context.lease, **FREE, attempt=0)

    async def _beat(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), HEARTBEAT_SECONDS)
            self._nudged.clear()
            try:
                await self._context.beat()
            except CatalogUnavailable as error:
                _log.warning("heartbeat missed", organization=self.organization, cause=str(error))
