//! Every bound of the gateway, by name.

use std::time::Duration;

/// Largest message that is sent or taken, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Size that a batch of rows aims at, in bytes: what the reconcile machine asks for at once.
pub const BATCH_BYTES_TARGET: usize = 256 * 1024;

/// How many rows are read from staging on the stream's own thread; more go to the blocking pool.
pub const INLINE_ROWS_MAX: usize = 16;

/// How many threads read payloads from staging at once, over all organizations.
pub const READER_THREADS_MAX: usize = 16;

/// Size from which a batch is worth compressing, in bytes.
pub const COMPRESS_BYTES_MIN: usize = 1_024;

/// zstd level: the quickest one.
pub const COMPRESS_LEVEL: i32 = 1;

/// Bytes of recently changed payloads that an organization keeps for its live streams.
pub const RECENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many recently changed rows an organization keeps for them.
pub const RECENT_ROWS_MAX: usize = 16 * 1024;

/// How many encoded models an organization keeps.
pub const MODELS_MAX: usize = 256;

/// How often a follower looks for commits that other processes made.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How long a call waits for the engine to reach what its device has seen.
pub const CATCH_UP_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a call waits for commits that were made before it. Beyond that it is served what is there.
pub const FRESH_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a call waits for an organization's index to be built.
pub const LOAD_WAIT_MAX: Duration = Duration::from_secs(120);

/// How long whoever activates an organization waits for its index to be built.
pub const INDEX_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// When a device that was told UNAVAILABLE or RESOURCE_EXHAUSTED should try again.
pub const RETRY_DELAY: Duration = Duration::from_secs(2);

/// When a follower tries again after staging failed, and how long it waits at most.
pub const FOLLOWER_RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// See [`FOLLOWER_RETRY_DELAY_MIN`].
pub const FOLLOWER_RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// How far ahead of this server's clock a cookie's instant may be and still be followed, in microseconds.
pub const CLOCK_SKEW_US_MAX: i64 = 5 * 60 * 1_000_000;

/// Mutations that wait for an organization's source, unless the configuration says otherwise. Each costs some hundred bytes of
/// disk, beside its values.
pub const QUEUED_WRITES_MAX: u64 = 200_000;

/// What they weigh together, in bytes, unless the configuration says otherwise.
pub const QUEUED_BYTES_MAX: u64 = 1 << 30;

/// How many of them wait for one row: each that is judged is laid over all that wait before it.
pub const QUEUED_OF_ROW_MAX: u64 = 500;

/// When a device should try again whose mutations did not fit into the queue. An outage that fills it lasts longer.
pub const QUEUE_FULL_RETRY_DELAY: Duration = Duration::from_secs(60);

/// How many issuers' tokens are believed at once.
pub const ISSUERS_MAX: usize = 64;

/// How many keys an issuer may publish.
pub const ISSUER_KEYS_MAX: usize = 64;

/// The least size of an RSA key that is believed, in bytes: 2,048 bits.
pub const RSA_KEY_BYTES_MIN: usize = 256;

/// By how much an issuer's clock and ours may differ at most, in seconds.
pub const TOKEN_LEEWAY_SECONDS_MAX: u64 = 60;

/// How many verified tokens are remembered; of 8 KiB each at most.
pub const VERIFIED_TOKENS_MAX: usize = 8_192;

/// Longest bearer token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8_192;

/// Largest cookie, in bytes.
pub const COOKIE_BYTES_MAX: usize = 16 * 1024;

/// Longest name of a client library, in bytes.
pub const CLIENT_BYTES_MAX: usize = 128;

/// Longest name of an application, in bytes.
pub const APP_BYTES_MAX: usize = 128;

/// Longest version of an application that a device reports, in bytes.
pub const APP_VERSION_BYTES_MAX: usize = 64;

/// Longest name of a platform that a device reports, in bytes.
pub const PLATFORM_BYTES_MAX: usize = 128;

/// Longest message of a failure that a device reports, in bytes.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 500;

/// The last of a device's stages.
pub const STAGE_MAX: u32 = 7;

/// Largest message of a device that only reports, in bytes.
pub const REPORT_BYTES_MAX: usize = 16 * 1024;

/// How much of what a token names its user by the registry of devices keeps, in characters.
pub const USER_NAME_CHARS_MAX: usize = 256;

/// How long calls of devices are gathered before they are written into the registry.
pub const CONTACTS_BEAT: Duration = Duration::from_secs(1);

/// Devices whose calls wait for that, of an organization; those of more are not noted.
pub const CONTACTS_MAX: usize = 32 * 1024;

/// Devices that one commit of the registry takes: uploads wait for it.
pub const CONTACTS_COMMIT_MAX: usize = 2_000;

/// How often the registry is told that a stream is still open.
pub const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Longest `x-request-id` that is taken over from a caller, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Length of an install id, in bytes.
pub const INSTALL_ID_BYTES: usize = 16;

/// How often a connection without traffic is probed, and how long an answer may take.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// See [`KEEPALIVE_INTERVAL`].
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections wait to be accepted: a reconnect storm of that size is not refused.
pub const ACCEPT_BACKLOG: u32 = 4_096;

/// How long accepting rests after it failed.
pub const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// How many connections are open at once; more wait in the backlog.
pub const CONNECTIONS_MAX: usize = 65_536;

/// How many calls one connection carries at once. A device makes one; proxies and load tests make many.
pub const CONNECTION_STREAMS_MAX: u32 = 1_024;

/// How many TLS handshakes go on at once; more wait their turn.
pub const HANDSHAKES_MAX: usize = 1_024;

/// How long a new connection may stay silent, and how long a TLS handshake may take.
pub const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Largest header list of a call, in bytes; a token is its largest part.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Bytes of a stream that wait for its device, beside the event that is being written. Together they are all that a
/// device which does not read makes the server hold.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// How long a question holds the engine before it lets others have it.
pub const PIECE_TIME: Duration = Duration::from_millis(50);

/// How long the answer to a question may take.
pub const QUESTION_TIME_MAX: Duration = Duration::from_secs(60);

/// How many changes of the directory a question may suppose.
pub const DIRECTORY_CHANGES_MAX: usize = 1_000;

/// How many users an estimate tells, if the request does not say.
pub const ESTIMATED_USERS_DEFAULT: usize = 100;
/// How many it tells at most.
pub const ESTIMATED_USERS_MAX: usize = 10_000;

/// How many users who pass a limit an estimate tells.
pub const BEYOND_MAX: usize = 10_000;

/// How many users a difference tells, if the request does not say.
pub const DIFFERING_USERS_DEFAULT: usize = 100;
/// How many it tells at most.
pub const DIFFERING_USERS_MAX: usize = 10_000;

/// How many rows a difference names for each user and entity.
pub const DIFF_SAMPLE_MAX: usize = 100;

/// How many holders of a row are told, if the request does not say.
pub const HOLDERS_DEFAULT: usize = 1_000;
/// How many are told at most.
pub const HOLDERS_MAX: usize = 100_000;

/// How many devices that held a row are told.
pub const HOLDING_DEVICES_MAX: usize = 10_000;

/// How many devices' last checkpoints an organization keeps.
pub const DEVICES_MAX: usize = 100_000;

/// Bytes of the rows of those checkpoints, counted as if no two shared any.
pub const DEVICE_ROWS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most rows that an item may bring to a device before that smells, if the request does not say.
pub const LINT_ITEM_ROWS_DEFAULT: u64 = 1_000_000;

/// Most bytes, likewise.
pub const LINT_ITEM_BYTES_DEFAULT: u64 = 1 << 30;

/// Most rows that one row may pull by one association before that smells, if the request does not say.
pub const LINT_FAN_OUT_DEFAULT: u64 = 10_000;

/// Most mutations of one upload.
pub const UPLOAD_MUTATIONS_MAX: usize = 500;

/// Most numbers that an upload withdraws.
pub const WITHDRAWN_MAX: usize = 1_000;

/// Most bytes of an upload's mutations.
pub const UPLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most fields that a mutation changes.
pub const CHANGED_FIELDS_MAX: usize = 4_096;

/// Most mutations that one depends on.
pub const DEPENDENCIES_MAX: usize = 64;

/// Uploads that wait for an organization's writer; more are told to come again.
pub const UPLOAD_QUEUE_CALLS_MAX: usize = 4_096;

/// Bytes of mutations that wait for an organization's writer, likewise.
pub const UPLOAD_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A transaction takes no further call when it has so many mutations: ingest and other servers wait for it.
pub const UPLOAD_BATCH_MUTATIONS_MAX: usize = 1_000;

/// Or so many bytes of them.
pub const UPLOAD_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a transaction of uploads waits, with the write lock held, for the engine to follow to the head.
pub const UPLOAD_FOLLOW_WAIT_MAX: Duration = Duration::from_secs(2);

/// Numbers of mutations that a request may ask about.
pub const UNANSWERED_MAX: usize = 10_000;

/// Bytes of answers that one event carries, unless a single one is larger.
pub const ANSWERS_BYTES_TARGET: usize = 256 * 1024;

/// Settlements that are read at once.
pub const SETTLEMENTS_MAX: usize = 1_000;

/// Mutations that are judged again with the one that had blocked them; those beyond stay blocked.
pub const FREED_MAX: usize = 1_000;

/// Refused mutations of a row that are looked at to tell what a device saw of it.
pub const REFUSED_BEFORE_MAX: usize = 100;
