"""What a server is told before it starts: from arguments, HAVERSACK_* variables and `haversack.toml`, in this order.

Reading this module takes long (pydantic), so commands import it when they run; `places` has what they need before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError

from haversack_server.breaches import sentences
from haversack_server.errors import ConfigurationInvalid
from haversack_server.places import (
    ADMIN_LISTEN_DEFAULT,
    CONFIG_NAME,
    DATABASE_VARIABLE,
    DEVELOPMENT_ISSUER,
    METRICS_LISTEN_DEFAULT,
    SYNC_LISTEN_DEFAULT,
    is_loopback,
)
from haversack_server.process_role import ProcessRole

ENVIRONMENT_PREFIX = "HAVERSACK_"
AUDIT_DAYS_DEFAULT = 365
DEVICE_DAYS_DEFAULT = 400
ISSUERS_MAX = 32
ROLE_VALUES_MAX = 200
HEARTBEAT_SECONDS_DEFAULT = 15
STOP_GRACE_SECONDS_DEFAULT = 5.0

Algorithm = Literal["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
_RoleText = Annotated[str, Field(pattern=r"^(reader|operator|administrator)(@[a-z0-9-]{1,63})?$")]
_Name = Annotated[str, Field(min_length=1, max_length=512)]


class Mode(StrEnum):
    """What a server is for.

    Attributes:
        DEVELOPMENT: Trying things out on one machine: plain text on loopback, and the development issuer's tokens.
        PRODUCTION: Everything else: TLS, and tokens of configured issuers alone.
    """

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(_Part):
    """Certificates of both endpoints. Files are read again when they change. Relative paths start at the data folder.

    Attributes:
        certificate_file: PEM: the server's certificate, then those between it and the authority.
        key_file: PEM: the certificate's private key, not encrypted.
        ca_file: PEM of the authority, for the command line on this machine; None if the system knows it.
        reload_seconds: How often the files are looked at.
    """

    certificate_file: Path
    key_file: Path
    ca_file: Path | None = None
    reload_seconds: float = Field(default=5.0, gt=0, le=3_600)


class IssuerSettings(_Part):
    """An OpenID Connect provider whose tokens are believed.

    Its keys come from `jwks_file`, or from `jwks_url`, or, with neither, from where its discovery document
    (`<issuer>/.well-known/openid-configuration`) says.

    Attributes:
        issuer: The `iss` claim of its tokens, letter by letter.
        audiences: What a token has to be for (`aud`); one of them is enough.
        admin_audiences: The same for the admin endpoint; none means `audiences`.
        jwks_file: File with its keys, a JSON Web Key Set; read again when it changes.
        jwks_url: Where its keys are; https, or http on loopback.
        ca_file: PEM of the authority of its https addresses; None if the system knows it.
        refresh_seconds: How often keys are fetched; they are also fetched when a token names one that is not known.
        algorithms: What its tokens may be signed with.
        user_claim: The claim that names a device's user in the organization's directory.
        subject_claim: The claim that names an administrator; grants name its value.
        organization_claim: The claim that names a device's organization.
        organization: The organization of all its tokens, instead of a claim.
        roles_claim: A claim, text or a list, whose values give administrative roles; empty means none.
        roles: What they give: "reader", "operator" or "administrator", followed by "@NAME" for one organization.
        leeway_seconds: By how much its clock may differ from ours.
    """

    issuer: _Name
    audiences: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=16)]
    admin_audiences: Annotated[tuple[_Name, ...], Field(max_length=16)] = ()
    jwks_file: Path | None = None
    jwks_url: str = ""
    ca_file: Path | None = None
    refresh_seconds: float = Field(default=300.0, ge=1, le=86_400)
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256",)
    user_claim: _Name = "sub"
    subject_claim: _Name = "sub"
    organization_claim: _Name = "org"
    organization: str = ""
    roles_claim: str = ""
    roles: Annotated[dict[str, _RoleText], Field(max_length=ROLE_VALUES_MAX)] = {}
    leeway_seconds: int = Field(default=0, ge=0, le=60)

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if self.jwks_file is not None and self.jwks_url:
            raise ValueError(f"issuer {self.issuer}: jwks_file and jwks_url are two sources of keys; keep one")
        if self.issuer == DEVELOPMENT_ISSUER:
            raise ValueError(f"{DEVELOPMENT_ISSUER} is the development issuer's name; it needs no entry")
        if self.roles and not self.roles_claim:
            raise ValueError(f"issuer {self.issuer}: roles need roles_claim, the claim that has their values")
        return self


class AdministratorSettings(_Part):
    """An administrator of every organization, whatever the catalog says.

    Attributes:
        issuer: The `iss` claim of the person's tokens.
        subject: The value of their `subject_claim`.
    """

    issuer: _Name
    subject: _Name


class LimitSettings(_Part):
    """Limits per caller of the admin endpoint, and of the sync endpoint as a whole.

    Attributes:
        requests_per_second: Calls that a caller may begin in a second, for long.
        burst: Calls that a caller may begin at once after a pause.
        calls_at_once: Calls of a caller that go on at the same time.
        streams_max: Streams of devices that are open at once.
        queued_writes_max: Writes that wait for the source of one organization; devices keep what comes beyond.
        queued_bytes_max: Bytes that they may have together.
    """

    requests_per_second: float = Field(default=200.0, gt=0)
    burst: int = Field(default=1_000, ge=1)
    calls_at_once: int = Field(default=64, ge=1)
    streams_max: int = Field(default=20_000, ge=1)
    queued_writes_max: int = Field(default=200_000, ge=1)
    queued_bytes_max: int = Field(default=1 << 30, ge=1)


class ServerSettings(_Part):
    """Settings of one server process.

    Attributes:
        data: Folder of the databases of rows, keys and, by default, the catalog.
        mode: What the server is for.
        role: What this process does.
        database_url: URL of the catalog, as postgresql://user:password@host/database; empty means SQLite in `data`.
        admin_listen: "host:port" of the admin endpoint; port 0 picks a free one.
        sync_listen: "host:port" of the sync endpoint; port 0 picks a free one.
        metrics_listen: "host:port" of metrics and health over HTTP; empty means none.
        plain_text: Serve without TLS, on loopback alone. Development mode does so if there is no `tls`.
        tls: Certificates; None means none.
        issuers: Whose tokens are believed; in development mode the development issuer's are, too.
        administrators: Administrators of every organization, besides those in the catalog.
        limits: Limits per caller.
        log_level: The least that is logged: "debug", "info", "warning" or "error".
        audit_days: How long the audit log is kept.
        device_days: How long a device that does not call any more stays on the list of devices.
        heartbeat_seconds: How long a live stream may be silent before the server proves that it is alive.
        stop_grace_seconds: How long calls and streams may go on after the server was told to stop.
    """

    data: Path
    mode: Mode = Mode.PRODUCTION
    role: ProcessRole = ProcessRole.ALL
    database_url: str = Field(default="", repr=False)
    admin_listen: str = ADMIN_LISTEN_DEFAULT
    sync_listen: str = SYNC_LISTEN_DEFAULT
    metrics_listen: str = ""
    plain_text: bool = False
    tls: TlsSettings | None = None
    issuers: Annotated[tuple[IssuerSettings, ...], Field(max_length=ISSUERS_MAX)] = ()
    administrators: tuple[AdministratorSettings, ...] = ()
    limits: LimitSettings = LimitSettings()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    audit_days: int = Field(default=AUDIT_DAYS_DEFAULT, ge=1, le=36_500)
    device_days: int = Field(default=DEVICE_DAYS_DEFAULT, ge=1, le=36_500)
    heartbeat_seconds: int = Field(default=HEARTBEAT_SECONDS_DEFAULT, ge=1)
    stop_grace_seconds: float = Field(default=STOP_GRACE_SECONDS_DEFAULT, ge=0)

    @property
    def catalog_url(self) -> str:
        """URL of the catalog."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'catalog.sqlite3'}"

    @property
    def development(self) -> bool:
        """Whether this is development mode."""
        return self.mode is Mode.DEVELOPMENT

    def place(self, path: Path) -> Path:
        """Returns where a path of the settings leads: a relative one starts at the data folder."""
        return self.data / path

    def check(self) -> None:
        """Raises ConfigurationInvalid, with every reason, if a server must not start with this."""
        breaches = list(self._breaches())
        if breaches:
            raise ConfigurationInvalid(sentences(breaches))

    def _breaches(self) -> Iterator[str]:
        if self.tls is None and not self.plain_text and not self.development:
            yield (
                "there is no certificate; give tls.certificate_file and tls.key_file (`haversack tls dev-ca` makes "
                "some), or set plain_text on loopback, or try things out with `haversack serve --dev`"
            )
        if self.tls is not None and self.plain_text:
            yield "tls and plain_text exclude each other; remove one"
        if not self.issuers and not self.development:
            yield (
                "no issuer is configured, so nobody could sign in; add an [[issuers]] entry, or try things out with "
                "`haversack serve --dev`"
            )
        if self.tls is None:
            for listen in (self.admin_listen, self.sync_listen):
                if not is_loopback(listen):
                    yield f"cannot listen on {listen}: without TLS only loopback is safe; use 127.0.0.1, or give tls"


class _Sources(BaseSettings, ServerSettings):
    """The same from every source; earlier ones win."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )
    file: ClassVar[Path | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.file)


def load_settings(
    data: Path, config: Path | None, arguments: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> ServerSettings:
    """Reads the settings of a data folder.

    `config` names the file; None means `haversack.toml` in the data folder, if there is one. `arguments` are those of
    the command line that were given. Raises ConfigurationInvalid with everything that is wrong; what is missing
    together is for `ServerSettings.check`.
    """
    file = config or data / CONFIG_NAME
    if config is not None and not config.is_file():
        raise ConfigurationInvalid(f"there is no configuration at {config}; name one that exists")
    given: dict[str, Any] = {"data": data, **arguments}
    if environment.get(DATABASE_VARIABLE):
        given.setdefault("database_url", environment[DATABASE_VARIABLE])
    reader = type("_FileSources", (_Sources,), {"file": file})
    try:
        read = reader(**given)
    except ValidationError as error:
        raise ConfigurationInvalid(sentences(_breach(it, file) for it in error.errors())) from error
    except (SettingsError, ValueError, OSError) as error:
        raise ConfigurationInvalid(f"{file}: {error}; mend it") from error
    values = {name: getattr(read, name) for name in ServerSettings.model_fields}
    if "metrics_listen" not in read.model_fields_set:
        values["metrics_listen"] = METRICS_LISTEN_DEFAULT
    return ServerSettings(**values)


def _breach(error: Any, file: Path) -> str:
    place = ".".join(str(it) for it in error["loc"]) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no such setting; check its spelling in {file}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
